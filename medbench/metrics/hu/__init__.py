"""Hounsfield units, noise texture and stitching against real volumes."""
