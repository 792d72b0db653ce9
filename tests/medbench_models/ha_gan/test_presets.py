"""Presets are what they say they follow."""

import pytest
import torch

from medbench_models.ha_gan.networks import CodeEncoder, Discriminator, Generator
from medbench_models.ha_gan.presets import PRESETS
from medbench_models.shared.slab_gan.networks import SlabEncoder, pyramid

# Of the public code, by its default arguments.
PARAMETERS = {"paper": (52_518_210, 7_402_258, 161_152), "cube128": (52_518_210, 7_241_442, 161_152)}


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_sizes(name: str) -> None:
    network = PRESETS[name].network
    grids = pyramid(network, PRESETS[name].cube)
    with torch.device("meta"):
        made = Generator(network, grids), Discriminator(network, grids), SlabEncoder(network)
    assert tuple(sum(value.numel() for value in one.parameters()) for one in made) == PARAMETERS[name]


def test_the_code_encoder_has_its_published_size() -> None:
    network = PRESETS["cube128"].network
    with torch.device("meta"):
        made = CodeEncoder(network, pyramid(network, (128, 128, 128)))
    assert sum(value.numel() for value in made.parameters()) == 19_663_168


@pytest.mark.parametrize("name", PRESETS)
def test_training_is_the_published_one_but_for_what_a_preset_says(name: str) -> None:
    config = PRESETS[name]
    if name != "tiny":
        assert (config.network.window.low, config.network.window.high) == (-1024, 600)
        assert (config.gan.steps, config.gan.rate, config.gan.critic_rate) == (80_000, 1e-4, 4e-4)
        assert config.gan.ema_decay == 0.0
