"""Presets are what they say they follow."""

import pytest
import torch

from medbench_models.crf_gan.adversarial import CrfGanTask
from medbench_models.crf_gan.presets import PRESETS
from medbench_models.shared.slab_gan.networks import pyramid
from medbench_models.shared.slab_gan.task import nothing_of

# Of the public code, by its default arguments: generator, critic (known as 4.60 M and 4.63 M), field, encoder.
PARAMETERS = {
    "cube64": (52_448_513, 4_470_017, 256, 161_152),
    "cube128": (52_448_513, 4_599_073, 1_024, 161_152),
    "paper": (52_448_513, 4_630_833, 4_096, 161_152),
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_sizes(name: str) -> None:
    config = PRESETS[name]
    grids = pyramid(config.network, config.cube)
    nothing = nothing_of(grids)
    with torch.device("meta"):
        made = CrfGanTask(config.network, config.gan, grids=grids, train=nothing, select=nothing, seed=0).networks
    found = [
        sum(value.numel() for value in made[part].parameters())
        for part in ("generator", "discriminator", "field", "encoder")
    ]
    assert tuple(found) == PARAMETERS[name]


@pytest.mark.parametrize("name", PRESETS)
def test_training_is_the_published_one_but_for_what_a_preset_says(name: str) -> None:
    config = PRESETS[name]
    assert config.network.feature_width % config.network.nodes == 0
    if name != "tiny":
        gan = config.gan
        assert (config.network.window.low, config.network.window.high) == (-1024, 600)
        assert (gan.steps, gan.rate, gan.critic_rate, gan.encoder_rate, gan.field_rate) == (
            80_000, 1e-4, 4e-4, 1e-4, 4e-4,
        )  # fmt: skip
        assert (gan.field_share, gan.field_steps, gan.ema_decay, gan.energy_weight) == (0.5, 60_000, 0.0, 0.0)
