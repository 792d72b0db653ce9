from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medbench.datasets.base import Case, Split
from medbench.errors import DataError
from medbench.generators.base import FitRequest, SampleRequest
from medbench.progress import silent
from medbench.storage.tensors import read_weights, write_weights
from medbench_models.maisi.config import MaisiConfig
from medbench_models.maisi.generator import Maisi, MaisiPt, MaisiSt
from medbench_models.maisi.networks import Autoencoder
from medbench_models.maisi.published import TINY_AUTOENCODER

Make = Callable[[Split, int], list[Case]]


def fit(kind: type[Maisi], workspace: Path, make_cases: Make, *, progress: Any = silent) -> Path:
    train, select = make_cases("train", 5), make_cases("select", 2)
    request = FitRequest(train, select, workspace, seed=3, resume=True, progress=progress)
    return kind("tiny", device="cpu").fit(request)


@pytest.mark.usefixtures("small_preset")
def test_a_fit_killed_in_every_stage_gives_the_same_checkpoint(tmp_path: Path, make_cases: Make, noting: Any) -> None:
    whole = fit(MaisiSt, tmp_path / "whole", make_cases)
    for kill in (
        noting("read volumes", 3),
        noting("train stage1", 4),
        noting("encode", 2),
        noting("train stage2", 2),
        noting("read label maps", 3),
        noting("train stage3", 2),
    ):
        with pytest.raises(KeyboardInterrupt):
            fit(MaisiSt, tmp_path / "killed", make_cases, progress=kill)
    resumed = fit(MaisiSt, tmp_path / "killed", make_cases)
    (weights, description), (others, other) = read_weights(whole), read_weights(resumed)
    assert description == other
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert description["model"] == "maisi-st"
    assert description["shape"] == [16, 16, 16]
    assert description["autoencoder"] is None
    assert set(description["scores"]) == {"select_psnr_db", "select_stage2_mse", "select_stage3_mse"}
    model = MaisiSt("tiny", device="cpu")
    model.load(whole)
    (volume,) = model.sample(SampleRequest(seeds=[1]))
    assert volume.shape == (16, 16, 16)
    assert volume.voxels.dtype == np.int16
    assert volume.spacing_mm == pytest.approx((5.0, 5.0, 6.0))


@pytest.fixture
def autoencoder(small: MaisiConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that takes the place of the frozen autoencoder."""
    torch.manual_seed(0)
    state = Autoencoder(small.network.autoencoder).state_dict()
    path = tmp_path / "autoencoder.safetensors"
    write_weights(path, {f"autoencoder.{name}": value for name, value in state.items()}, {"model": "a test"})
    monkeypatch.setenv(TINY_AUTOENCODER.variable, str(path))
    return path


@pytest.mark.usefixtures("small_preset")
def test_a_frozen_autoencoder_stays_as_it_is(autoencoder: Path, tmp_path: Path, make_cases: Make) -> None:
    path = fit(MaisiPt, tmp_path / "work", make_cases)
    weights, description = read_weights(path)
    wanted, _ = read_weights(autoencoder)
    assert all(torch.equal(weights[name], value) for name, value in wanted.items())
    assert description["model"] == "maisi-pt"
    assert description["autoencoder"] == TINY_AUTOENCODER.sha256()
    assert set(description["steps"]) == {"stage2", "stage3", "stage2_kept", "stage3_kept"}
    assert not (tmp_path / "work" / "stage1").exists()


@pytest.mark.usefixtures("small_preset")
def test_labels_without_a_translation_are_named(tmp_path: Path, make_cases: Make) -> None:
    def strange(split: Split, count: int) -> list[Case]:
        cases = make_cases(split, count)
        for case in cases:
            assert case.read_label_map is not None
            case.read_label_map().names[1] = "tentacle"
        return cases

    with pytest.raises(DataError, match=r"no translation of: 1 \(tentacle\)"):
        fit(MaisiSt, tmp_path, strange)


@pytest.mark.usefixtures("small_preset")
def test_a_body_that_no_label_tells_is_found_in_the_volume(tmp_path: Path, make_cases: Make) -> None:
    def bare(split: Split, count: int) -> list[Case]:
        cases = make_cases(split, count)
        for case in cases:
            assert case.read_label_map is not None
            label_map = case.read_label_map()
            label_map.voxels[label_map.voxels == 3] = 0
            del label_map.names[3]
        return cases

    fit(MaisiSt, tmp_path, bare)
    numbers = np.load(tmp_path / "labels-train.npy")
    assert set(np.unique(numbers)) == {0, 28, 30, 200}


@pytest.mark.usefixtures("small_preset")
def test_shapes_that_do_not_fit_are_told_the_nearest(tmp_path: Path, make_cases: Make) -> None:
    with pytest.raises(DataError, match="multiple of 8, and 16x16x16 is nearest"):
        from dataclasses import replace

        from medbench.imaging.volume import Volume

        def odd(split: Split, count: int) -> list[Case]:
            volume = Volume(np.zeros((16, 16, 13), np.int16), np.eye(4))
            return [replace(case, read_volume=lambda: volume) for case in make_cases(split, count)]

        fit(MaisiSt, tmp_path, odd)
