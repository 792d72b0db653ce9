"""Samples that copy a training case."""
