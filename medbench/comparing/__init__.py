"""Tests of a difference between two runs."""
