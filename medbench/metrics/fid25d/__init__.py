"""Fréchet distance of 2D slice features."""
