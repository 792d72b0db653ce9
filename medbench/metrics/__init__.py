"""Metrics: one a file, found through the entry points ``medbench.metrics``; the mathematics are pure functions."""
