"""The web application in which a packet is read: loopback by default, one private link a reader."""
