"""Stages (prepare, fit, sample, evaluate, report), the cache, and resuming."""
