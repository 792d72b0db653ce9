"""What synthetic volumes are worth as training data: the real nnU-Net v2, run by its own commands."""
