"""The VQ-VAE of MedLoRD, VolDiT and VQ-Trans: MONAI's, with strided convolutions and without norm layers."""

from __future__ import annotations

from monai.networks.nets import VQVAE

from medbench_models.shared.config import VqvaeConfig
from medbench_models.shared.quantiser import EmaQuantiser


class Vqvae(VQVAE):
    """MONAI's VQ-VAE with the quantiser that works in chunks; its state-dict names are MONAI's.

    Args:
        config: architecture.
    """

    def __init__(self, config: VqvaeConfig) -> None:
        levels = len(config.channels)
        super().__init__(
            spatial_dims=3,
            in_channels=1,
            out_channels=1,
            channels=config.channels,
            num_res_channels=config.channels,
            num_res_layers=config.res_layers,
            downsample_parameters=((2, 4, 1, 1),) * levels,
            upsample_parameters=((2, 4, 1, 1, 0),) * levels,
            num_embeddings=config.codebook_size,
            embedding_dim=config.codebook_dim,
        )
        self.config = config
        self.quantizer.quantizer = EmaQuantiser(
            config.codebook_size,
            config.codebook_dim,
            commitment=config.commitment,
            decay=config.decay,
            epsilon=config.epsilon,
        )

    @property
    def codebook(self) -> EmaQuantiser:
        """The quantiser."""
        quantiser: EmaQuantiser = self.quantizer.quantizer
        return quantiser
