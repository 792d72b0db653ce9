"""Runs against each other: which of their numbers may be compared, and whether a difference is more than chance."""
