"""The real nnU-Net v2, run by its own commands in folders of its own."""
