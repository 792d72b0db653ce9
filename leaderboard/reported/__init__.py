"""Figures that others published: shown apart, never ranked with what was measured here."""
