"""Feature networks for slices; each file offers one, found through the entry points ``medbench.features``."""
