"""MedLoRD: a VQ-VAE and a latent diffusion model for high-resolution 3D CT (arXiv 2503.13211)."""
