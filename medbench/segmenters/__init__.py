"""Segmenters: label maps of volumes; each is found through the entry points ``medbench.segmenters``."""
