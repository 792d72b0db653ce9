"""VolDiT: MedLoRD's VQ-VAE, a diffusion transformer on its latents, and a token adapter (arXiv 2603.25181)."""
