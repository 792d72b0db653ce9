"""Overlap of the label map that a sample was made from with what is seen in the sample."""
