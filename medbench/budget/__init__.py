"""The VRAM budget: measured under a cap, predicted without a GPU, and the largest shape within it."""
