"""Blinded reader studies: planned, packed, audited, read and scored."""
