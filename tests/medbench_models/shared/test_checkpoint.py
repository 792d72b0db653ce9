"""Checkpoints: what they state of themselves, and files that are none."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from medbench.errors import CheckpointError
from medbench.generators.base import TrainingData
from medbench.pipeline.leaks import stated_by
from medbench.spec import Spec
from medbench_models.shared.checkpoint import Description, read, save


class Network(Spec):
    width: int = 1


def _described(*, preset: str = "tiny", saw: tuple[TrainingData, ...] = ()) -> Description[Network]:
    return Description[Network](
        model="m", preset=preset, network=Network(), shape=(8, 8, 8), affine=((1.0, 0.0, 0.0, 0.0),) * 4, seed=0,
        steps={}, scores={}, trained_on=2, saw=saw,
    )  # fmt: skip


def test_a_checkpoint_is_read_whatever_the_length_of_its_description(tmp_path: Path) -> None:
    """The file begins with that length, a multiple of 8, whose first byte may be the one that pickles begin with."""
    path = tmp_path / "m.safetensors"
    for length in range(0, 256, 8):
        save(path, {"net": {"weight": torch.ones(1)}}, _described(preset="p" * length))
        weights, described = read(path, Description[Network], model="m")
        assert list(weights) == ["net.weight"]
        assert len(described.preset) == length


def test_what_torch_saved_is_refused_with_the_way_out(tmp_path: Path) -> None:
    for name, zipped in (("new.pth", True), ("old.pth", False)):
        torch.save({}, tmp_path / name, _use_new_zipfile_serialization=zipped)
        with pytest.raises(CheckpointError, match="convert it with `python -m x`"):
            read(tmp_path / name, Description[Network], model="m", how_to_convert="python -m x")


def test_the_training_data_are_stated(tmp_path: Path) -> None:
    saw = (TrainingData("phantom", note="train split"), TrainingData("LIDC-IDRI", part="encoder"))
    save(tmp_path / "m.safetensors", {"net": {"weight": torch.ones(1)}}, _described(saw=saw))
    assert read(tmp_path / "m.safetensors", Description[Network], model="m")[1].saw == saw
    assert stated_by(tmp_path / "m.safetensors") == saw
