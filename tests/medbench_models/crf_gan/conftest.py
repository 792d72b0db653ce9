"""Golden outputs of CRF-GAN's own networks."""

from collections.abc import Callable
from typing import Any

import pytest

from medbench_models.crf_gan.config import NetworkConfig

NAMES = {"D": "discriminator", "G": "generator", "CRF": "field", "E": "encoder"}


def _architecture(config: dict[str, Any]) -> NetworkConfig:
    size, width = config["size"], config["channel"]
    return NetworkConfig(
        latent=config["latent"],
        widths=[width * factor for factor in (16, 16, 8, 4, 2, 1)],
        doublings={64: 2, 128: 3}[size],
        critic_width=config["d_channel"],
        nodes=size // 4,
    )


@pytest.fixture(scope="session")
def golden(slab_golden: Callable) -> Callable:
    return lambda case: slab_golden("crf_gan", case, NAMES, _architecture)
