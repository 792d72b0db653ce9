"""MAISI: latent diffusion with a KL autoencoder, spacing as an input, and a ControlNet for label maps."""
