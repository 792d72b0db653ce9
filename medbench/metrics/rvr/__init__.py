"""Regional volume ratios."""
