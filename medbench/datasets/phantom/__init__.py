"""The phantom: procedural thoraxes with ground-truth labels."""
