"""Generators of CT volumes, found by medbench through entry points."""
