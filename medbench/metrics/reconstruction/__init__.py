"""The autoencoder's fidelity on held-out volumes."""
