"""Plug-ins to start from, one a kind: whole files that work, which ``medbench new`` writes under a user's own name."""
