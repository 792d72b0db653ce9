"""The shipped weights, and what separates whole volumes from the slabs that they were trained on."""

import json

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.generators.base import SampleRequest
from medbench.segmenters.phantom import PhantomSegmenter
from medbench.storage.files import sha256_of
from medbench.storage.tensors import read_weights
from medbench_models.crf_gan.generator import CrfGan
from medbench_models.crf_gan.presets import PRESETS

FARTHEST_HU = 10.0
SHIPPED = CrfGan("tiny", device="cpu").default_checkpoint()


@pytest.fixture(scope="module")
def shipped() -> CrfGan:
    model = CrfGan("tiny", device="cpu")
    model.load(None)
    return model


def test_the_shipped_checkpoint_is_small_and_says_how_it_was_made() -> None:
    assert SHIPPED.stat().st_size < 3_000_000
    card = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    _, description = read_weights(SHIPPED)
    assert card["command"] == "medbench fit --model crf-gan --dataset phantom --preset tiny --seed 0"
    assert card["sha256"] == sha256_of(SHIPPED)
    assert card["seed"] == description["seed"] == 0
    assert description["steps"]["gan"] == PRESETS["tiny"].gan.steps


def test_samples_are_hu_on_the_phantoms_grid_and_have_lungs(shipped: CrfGan) -> None:
    real = PhantomDataset().cases("test")[0].read_volume()
    (volume,) = shipped.sample(SampleRequest(seeds=[0]))
    assert volume.shape == real.shape == CrfGan.info.native_shape
    np.testing.assert_allclose(volume.affine, real.affine)
    assert -1024 <= volume.voxels.min() < -950
    assert 100 < volume.voxels.max() <= 600
    assert {2, 3} <= set(np.unique(PhantomSegmenter(device="cpu").segment(volume).voxels))


@torch.no_grad()
def test_slabs_alone_have_nearly_the_hu_of_whole_volumes(shipped: CrfGan) -> None:
    """The last norm sees a slab in training and the whole volume in sampling: HU change, and by how much is held."""
    loaded = shipped.networks
    generator, window = loaded.generator, loaded.description.network.window
    noise = torch.randn(8, generator.config.latent, generator=torch.Generator().manual_seed(0))
    features = generator.features(noise)
    depth = generator.grids.slab[0]
    slabs = [generator.detail(generator.slab_of(features, first)) for first in range(0, 2 * depth, depth)]
    apart, whole = (
        window.unscale(one.numpy()).ravel() for one in (torch.cat(slabs, dim=2), generator.detail(features))
    )
    assert 0.0 < wasserstein_distance(apart[::16], whole[::16]) < FARTHEST_HU
