"""CRF-GAN: HA-GAN without its small volumes; a conditional random field on the features takes their place."""
