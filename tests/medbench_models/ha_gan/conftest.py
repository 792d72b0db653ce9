"""Golden outputs of HA-GAN's own networks."""

from collections.abc import Callable
from typing import Any

import pytest

from medbench_models.ha_gan.config import NetworkConfig

NAMES = {"G": "generator", "D": "discriminator", "E": "encoder", "Sub_E": "code_encoder"}


def _architecture(config: dict[str, Any]) -> NetworkConfig:
    width = config["channel"]
    return NetworkConfig(
        latent=config["latent"],
        widths=[width * factor for factor in (16, 16, 8, 4, 2, 1)],
        doublings={128: 3, 256: 4}[config["size"]],
        critic_width=config["d_channel"],
        classes=config["num_class"],
        code_width=8 * width,
    )


@pytest.fixture(scope="session")
def golden(slab_golden: Callable) -> Callable:
    return lambda case: slab_golden("ha_gan", case, NAMES, _architecture)
