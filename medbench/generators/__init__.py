"""What a generator offers; the pseudo-model of held-out volumes. Others come by entry point."""
