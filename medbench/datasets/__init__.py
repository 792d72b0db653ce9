"""Data sets of real (or procedural) CT: cases, splits, and the grid and window they are evaluated on."""
