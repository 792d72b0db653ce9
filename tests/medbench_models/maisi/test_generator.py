"""The shipped weights of both models."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.datasets.phantom.thorax import LABELS
from medbench.generators.base import SampleRequest
from medbench.segmenters.phantom import PhantomSegmenter
from medbench.storage.files import sha256_of
from medbench.storage.tensors import read_weights
from medbench_models.maisi.generator import Maisi, MaisiPt, MaisiSt
from medbench_models.maisi.published import TINY_AUTOENCODER


@pytest.fixture(scope="module", params=[MaisiSt, MaisiPt], ids=lambda kind: kind.info.name)
def shipped(request: pytest.FixtureRequest) -> Maisi:
    model = request.param("tiny", device="cpu")
    model.load(None)
    return model


def test_it_is_small_and_says_how_it_was_made(shipped: Maisi) -> None:
    path, name = shipped.default_checkpoint(), shipped.info.name
    assert path.stat().st_size < 3_000_000
    card = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert card["command"] == f"medbench fit --model {name} --dataset phantom --preset tiny --seed 0"
    assert card["sha256"] == sha256_of(path)
    _, description = read_weights(path)
    config = shipped.config
    assert description["steps"]["stage2"] == config.stage2.steps
    assert config.stage3 is not None
    assert description["steps"]["stage3"] == config.stage3.steps
    if not shipped.frozen:
        assert description["steps"]["stage1"] == config.stage1.steps


def test_held_out_phantoms_are_reconstructed(shipped: Maisi) -> None:
    decibels = []
    for case in PhantomDataset().cases("test")[:2]:
        volume = case.read_volume()
        error = np.square(shipped.reconstruct(volume).voxels.astype(float) - volume.voxels.clip(-1000, 1000)).mean()
        decibels.append(10 * np.log10(2000**2 / error))
    assert np.mean(decibels) >= 28.0


def test_samples_follow_their_label_maps(shipped: Maisi) -> None:
    """As the metric adherence sees them, on held-out phantoms."""
    segmenter, found = PhantomSegmenter(device="cpu"), []
    conditions = [case.read_label_map() for case in PhantomDataset().cases("test")[:2] if case.read_label_map]
    for condition, sample in zip(conditions, shipped.sample(SampleRequest(seeds=[0, 1], conditions=conditions))):
        assert np.array_equal(sample.affine, condition.affine)
        seen = segmenter.segment(sample).voxels
        found.append({name: _dice(seen == value, condition.voxels == value) for value, name in LABELS.items()})
    for lung in ("lung_left", "lung_right"):
        assert min(one[lung] for one in found) >= 0.8


def _dice(a: np.ndarray, b: np.ndarray) -> float:
    return float(2 * np.sum(a & b) / (a.sum() + b.sum()))


def test_both_autoencoders_differ_and_one_of_them_is_frozen() -> None:
    own, frozen = (read_weights(kind("tiny", device="cpu").default_checkpoint())[0] for kind in (MaisiSt, MaisiPt))
    name = "autoencoder.encoder.blocks.0.conv.conv.weight"
    assert not np.array_equal(own[name], frozen[name])
    assert TINY_AUTOENCODER.locate() == MaisiPt("tiny", device="cpu").default_checkpoint()


def test_listing_the_models_does_not_import_torch() -> None:
    code = "import sys, medbench_models.maisi.generator as g; g.MaisiPt.info; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
