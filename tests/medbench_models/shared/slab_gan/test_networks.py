"""One architecture for all sizes."""

import pytest
import torch

from medbench.errors import DataError
from medbench_models.shared.config import SlabGanConfig
from medbench_models.shared.slab_gan.networks import SlabCritic, SlabEncoder, SlabGenerator, pyramid

SMALL = SlabGanConfig(latent=4, widths=(8, 8, 8, 8, 16, 8), critic_width=32)


@pytest.mark.parametrize(
    ("shape", "doublings", "start", "slab"),
    [
        ((64, 64, 64), 2, (4, 4, 4), (8, 64, 64)),
        ((128, 128, 128), 3, (4, 4, 4), (16, 128, 128)),
        ((256, 256, 256), 4, (4, 4, 4), (32, 256, 256)),
        ((512, 512, 256), 4, (4, 8, 8), (32, 512, 512)),
        ((64, 64, 32), 3, (1, 2, 2), (4, 64, 64)),
        ((96, 32, 192), 3, (6, 1, 3), (24, 32, 96)),
    ],
)
def test_grids(shape: tuple, doublings: int, start: tuple, slab: tuple) -> None:
    grids = pyramid(SMALL.model_copy(update={"doublings": doublings}), shape)
    assert (grids.start, grids.slab) == (start, slab)
    assert grids.features == tuple(size // 4 for size in reversed(shape))
    assert grids.room + slab[0] == shape[2]


@pytest.mark.parametrize(
    ("shape", "nearest"),
    [((500, 512, 256), "512x512x256"), ((512, 512, 10), "512x512x64"), ((30, 70, 100), "64x64x128")],
)
def test_the_nearest_shape_is_named(shape: tuple, nearest: str) -> None:
    with pytest.raises(DataError, match=f"and {nearest} is nearest"):
        pyramid(SMALL, shape)


@pytest.mark.parametrize(
    ("shape", "doublings", "slabs"), [((32, 64, 32), 2, 8), ((32, 32, 96), 3, 2), ((32, 16, 64), 1, 4)]
)
@torch.no_grad()
def test_every_network_fits_every_shape(shape: tuple, doublings: int, slabs: int) -> None:
    config = SMALL.model_copy(update={"doublings": doublings, "slabs": slabs})
    grids = pyramid(config, shape)
    generator, critic, encoder = SlabGenerator(config, grids), SlabCritic(config, grids), SlabEncoder(config)
    noise = torch.randn(1, config.latent)
    features = generator.features(noise)
    assert features.shape == (1, 16, *grids.features)
    slab = generator.detail(generator.slab_of(features, grids.room))
    assert slab.shape == (1, 1, *grids.slab)
    assert generator.volume(noise).shape == (1, 1, *reversed(shape))
    assert critic.judge_slab(slab, grids.room).shape == (1, 1)
    assert encoder(slab).shape == (1, 16, grids.slab_features, *grids.features[1:])


@torch.no_grad()
def test_the_critic_knows_where_a_slab_lies() -> None:
    grids = pyramid(SMALL.model_copy(update={"doublings": 2}), (32, 32, 32))
    critic, slab = SlabCritic(SMALL.model_copy(update={"doublings": 2}), grids).eval(), torch.zeros(1, 1, 4, 32, 32)
    assert float(critic.judge_slab(slab, 0)) != float(critic.judge_slab(slab, 28))
