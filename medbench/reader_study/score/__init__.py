"""From ratings and the key to numbers."""
