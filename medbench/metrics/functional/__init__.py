"""The mathematics of the metrics: pure functions from arrays (or volumes in memory) to numbers."""
