"""Feature networks for slices and for volumes, found through the entry points ``medbench.features``."""
