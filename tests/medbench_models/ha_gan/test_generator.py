"""The shipped weights, and the plug-in's refusals."""

import json
import subprocess
import sys

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.datasets.phantom.thorax import LABELS
from medbench.errors import SpecError
from medbench.generators.base import SampleRequest
from medbench.segmenters.phantom import PhantomSegmenter
from medbench.storage.files import sha256_of
from medbench.storage.tensors import read_weights
from medbench_models.ha_gan.generator import HaGan
from medbench_models.ha_gan.presets import PRESETS

SHIPPED = HaGan("tiny", device="cpu").default_checkpoint()


@pytest.fixture(scope="module")
def shipped() -> HaGan:
    model = HaGan("tiny", device="cpu")
    model.load(None)
    return model


def test_the_shipped_checkpoint_is_small_and_says_how_it_was_made() -> None:
    assert SHIPPED.stat().st_size < 3_000_000
    card = json.loads(SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    _, description = read_weights(SHIPPED)
    assert card["command"] == "medbench fit --model ha-gan --dataset phantom --preset tiny --seed 0"
    assert card["sha256"] == sha256_of(SHIPPED)
    assert card["seed"] == description["seed"] == 0
    assert description["steps"]["gan"] == PRESETS["tiny"].gan.steps


def test_samples_are_hu_on_the_phantoms_grid(shipped: HaGan) -> None:
    real = PhantomDataset().cases("test")[0].read_volume()
    (volume,) = shipped.sample(SampleRequest(seeds=[0]))
    assert volume.shape == real.shape == HaGan.info.native_shape
    np.testing.assert_allclose(volume.affine, real.affine)
    assert volume.voxels.dtype == np.int16
    assert -1024 <= volume.voxels.min() < -950
    assert 100 < volume.voxels.max() <= 600


def test_samples_have_lungs_and_hearts_and_vary(shipped: HaGan) -> None:
    """The share and the spread that the documentation states are measured on more samples."""
    segmenter = PhantomSegmenter(device="cpu")
    numbers = [value for value, name in LABELS.items() if name.startswith(("lung", "heart_ventricle"))]
    made = (segmenter.segment(one).voxels for one in shipped.sample(SampleRequest(seeds=range(16))))
    drawn = (case.read_label_map().voxels for case in PhantomDataset().cases("test"))
    found, real = (
        np.array([[np.sum(label_map == value) for value in numbers] for label_map in side]) for side in (made, drawn)
    )
    assert np.mean(found > 0) > 0.9
    assert np.all(found.std(axis=0) > 0.4 * real.std(axis=0))


def test_label_maps_are_refused(shipped: HaGan) -> None:
    condition = PhantomDataset().cases("test")[0].read_label_map()
    with pytest.raises(SpecError, match="leave out --conditional"):
        next(shipped.sample(SampleRequest(seeds=[0], conditions=[condition])))


def test_listing_the_model_does_not_import_torch() -> None:
    code = "import sys, medbench_models.ha_gan.generator as g; g.HaGan.info; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
