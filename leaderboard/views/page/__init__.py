"""A board as one HTML file that loads nothing."""
