"""VQ-Trans: a VQ-VAE and an autoregressive transformer over its codes, after Graham et al. 2022 (PMLR 172:457)."""
