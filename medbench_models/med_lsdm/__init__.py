"""Med-LSDM: a 3D VQ-GAN and a semantic diffusion model in its latent space, steered by label maps (2507.00206)."""
