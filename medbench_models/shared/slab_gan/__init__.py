"""GANs that train on slabs of a volume, HA-GAN and its kin: all that is not a model's own."""
