import json

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.datasets.phantom.thorax import LABELS
from medbench.imaging.volume import Volume
from medbench.segmenters import phantom
from medbench.segmenters.phantom import PhantomSegmenter
from medbench.storage.tensors import read_weights

STRUCTURES = [value for value, name in LABELS.items() if name != "body"]


@pytest.fixture
def segmenter() -> PhantomSegmenter:
    return PhantomSegmenter(device="cpu")


def dsc(found: np.ndarray, wanted: np.ndarray, value: int) -> float:
    both = np.sum((found == value) & (wanted == value))
    return float(2 * both / (np.sum(found == value) + np.sum(wanted == value)))


def test_held_out_phantoms_are_segmented(segmenter: PhantomSegmenter) -> None:
    scores = []
    for case in PhantomDataset().cases("test")[:4]:
        assert case.read_label_map is not None
        wanted = case.read_label_map()
        found = segmenter.segment(case.read_volume())
        assert found.names == segmenter.names() == LABELS
        assert np.array_equal(found.affine, wanted.affine)
        scores.append([dsc(found.voxels, wanted.voxels, value) for value in STRUCTURES])
    assert np.mean(scores) >= 0.92
    assert np.mean(scores, axis=0).min() >= 0.8


def test_the_shipped_weights_are_small_and_say_how_they_were_made() -> None:
    description = json.loads(phantom.SHIPPED.with_suffix(".json").read_text(encoding="utf-8"))
    assert phantom.SHIPPED.stat().st_size < 500_000
    assert description == read_weights(phantom.SHIPPED)[1]
    assert description["command"] == (
        "python -m medbench.segmenters.phantom_training --out phantom.safetensors --seed 0 --steps 2000"
    )
    assert description["test_dsc_mean"] >= 0.92
    assert set(description["test_dsc"]) == {LABELS[value] for value in STRUCTURES}


def test_any_shape_comes_back_on_its_own_grid(segmenter: PhantomSegmenter) -> None:
    volume = Volume(np.full((21, 16, 9), -1000, np.int16), np.diag([5.2, 5.2, 6.5, 1.0]))
    found = segmenter.segment(volume)
    assert found.shape == volume.shape
    assert found.voxels.dtype == np.uint8
    assert np.array_equal(found.affine, volume.affine)
