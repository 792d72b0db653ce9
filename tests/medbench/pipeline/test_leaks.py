"""The leak register: what weights saw of the data that judge them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medbench import registry
from medbench.datasets.base import DatasetInfo
from medbench.generators.base import GeneratorInfo, TrainingData
from medbench.pipeline.leaks import leaks_of_checkpoint, leaks_of_preset, overlaps

LUNA: DatasetInfo = registry.load("datasets", "luna").info
PHANTOM: DatasetInfo = registry.load("datasets", "phantom").info


@pytest.mark.parametrize(
    ("seen", "dataset", "sentence"),
    [
        (
            TrainingData("LIDC-IDRI", part="encoder"),
            LUNA,
            "maisi-pt: encoder trained on LIDC-IDRI, which contains this dataset",
        ),
        (TrainingData("lidc"), LUNA, "maisi-pt: weights trained on lidc, which contains this dataset"),
        (TrainingData("LUNA16"), LUNA, "maisi-pt: weights trained on LUNA16, which is this dataset"),
        (
            TrainingData("luna", note="which of its scans is not published"),
            LUNA,
            "maisi-pt: weights trained on luna (which of its scans is not published), which is this dataset",
        ),
        (
            TrainingData("luna"),
            replace(LUNA, name="lidc-large", known_as=(), part_of=(), contains=("LUNA16", "luna")),
            "maisi-pt: weights trained on luna, which is part of this dataset",
        ),
        (
            TrainingData("LUNA16"),
            replace(LUNA, name="nodules", known_as=()),
            "maisi-pt: weights trained on LUNA16, which like this dataset is part of LIDC-IDRI: they may share volumes",
        ),
    ],
)
def test_an_overlap_is_said(seen: TrainingData, dataset: DatasetInfo, sentence: str) -> None:
    assert overlaps("maisi-pt", [seen], dataset) == (sentence,)


@pytest.mark.parametrize("name", ["NLST", "phantom of other seeds", "pccta"])
def test_what_does_not_overlap_is_not_said(name: str) -> None:
    assert overlaps("m", [TrainingData(name)], PHANTOM) == ()


def test_a_preset_without_a_declaration_is_said_to_have_none() -> None:
    info = GeneratorInfo("m", "1", ("unconditional",), ("tiny", "paper"), None, "", "", {"paper": ()})
    assert leaks_of_preset(info, "tiny", LUNA) == (
        "m: what the weights of its preset tiny were trained on is not declared",
    )
    assert leaks_of_preset(info, "paper", LUNA) == ()


class TestCheckpoint:
    def test_it_is_believed_what_it_states(self, tmp_path: Path) -> None:
        path = self._written(tmp_path, saw=[{"dataset": "phantom", "part": "weights", "note": "train split"}])
        told = "m: weights trained on phantom (train split), which is this dataset (says m.safetensors)"
        assert leaks_of_checkpoint("m", path, PHANTOM) == (told,)
        assert leaks_of_checkpoint("m", path, LUNA) == ()

    @pytest.mark.parametrize("saw", [None, [], [{"unknown": "key"}]])
    def test_one_that_states_nothing_is_said_not_to(self, saw: object, tmp_path: Path) -> None:
        path = self._written(tmp_path, saw=saw)
        assert "is not declared" in leaks_of_checkpoint("m", path, LUNA)[0]

    def test_a_file_of_another_format_states_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "weights.txt"
        path.write_text("seed 1", encoding="utf-8")
        assert leaks_of_checkpoint("m", path, LUNA) == ("m: what weights.txt was trained on is not declared",)

    def _written(self, folder: Path, *, saw: object) -> Path:
        import torch

        from medbench.storage.tensors import write_weights

        path = folder / "m.safetensors"
        write_weights(path, {"weight": torch.zeros(1)}, {"model": "m", "saw": saw})
        return path
