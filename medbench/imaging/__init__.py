"""Volumes and label maps: values with an affine, their files, grids and slices."""
