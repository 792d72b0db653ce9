"""The viewer: slices of volumes in a browser, on a 2D canvas, from a server or from inside one HTML file."""
