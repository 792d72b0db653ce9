import json

import numpy as np
import pytest
import torch

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.datasets.phantom.thorax import LABELS
from medbench.errors import CheckpointError
from medbench.imaging.volume import Volume
from medbench.segmenters import phantom
from medbench.segmenters.phantom import PhantomSegmenter, load_network
from medbench.segmenters.phantom_training import augmented, soft_dice_loss
from medbench.storage.tensors import read_weights, write_weights

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


def test_other_weights_are_refused(tmp_path) -> None:
    weights, description = read_weights(phantom.SHIPPED)
    path = tmp_path / "other.safetensors"
    write_weights(path, weights, description | {"model": "medlord"})
    with pytest.raises(CheckpointError, match="belongs to the model 'medlord'"):
        load_network(path, "cpu")
    write_weights(path, {"a": torch.zeros(1)}, description)
    with pytest.raises(CheckpointError, match=r"1 unexpected \(a\)"):
        load_network(path, "cpu")


def test_soft_dice_is_zero_for_the_right_answer_and_large_for_a_wrong_one() -> None:
    label = torch.randint(0, 14, (1, 8, 8, 8), generator=torch.Generator().manual_seed(0))
    logits = 100.0 * torch.nn.functional.one_hot(label, 14).movedim(-1, 1).float()
    assert float(soft_dice_loss(logits, label)) == pytest.approx(0.0, abs=1e-5)
    assert float(soft_dice_loss(logits.roll(1, dims=1), label)) > 0.9


def test_augmentation_keeps_the_scale_and_differs_by_chance() -> None:
    image = torch.zeros(2, 1, 8, 8, 8)
    found = augmented(image, torch.Generator().manual_seed(0))
    assert float(found.abs().max()) < 0.3  # 300 HU
    assert not torch.equal(found, augmented(image, torch.Generator().manual_seed(1)))
