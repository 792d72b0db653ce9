"""Figures and the HTML report: what a person reads of a run."""
