"""HA-GAN: hierarchical amortised GAN, trained on random slabs of a volume."""
