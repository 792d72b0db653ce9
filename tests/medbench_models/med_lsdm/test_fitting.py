"""From cases to a checkpoint, with kills on the way."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medbench.datasets.base import Case
from medbench.errors import DataError
from medbench.generators.base import FitRequest, SampleRequest
from medbench.progress import silent
from medbench.storage.tensors import read_weights
from medbench_models.med_lsdm.generator import MedLsdm

Make = Callable[[str, int], list[Case]]


def request(workspace: Path, make_cases: Make, progress: Any = silent) -> FitRequest:
    return FitRequest(
        make_cases("train", 6), make_cases("select", 2), workspace, seed=3, resume=True, progress=progress
    )


def fit(workspace: Path, make_cases: Make, *, progress: Any = silent) -> Path:
    return MedLsdm("tiny", device="cpu").fit(request(workspace, make_cases, progress))


@pytest.mark.usefixtures("small_preset")
def test_a_fit_killed_in_every_stage_gives_the_same_checkpoint(tmp_path: Path, make_cases: Make, noting: Any) -> None:
    whole = fit(tmp_path / "whole", make_cases)
    for kill in (
        noting("train stage1", 5),
        noting("encode", 2),
        noting("read label maps", 1),
        noting("train stage2", 4),
    ):
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "killed", make_cases, progress=kill)
    resumed = fit(tmp_path / "killed", make_cases)
    (weights, description), (others, other) = read_weights(whole), read_weights(resumed)
    assert description == other
    assert all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.usefixtures("small_preset")
def test_the_checkpoint_describes_itself_and_samples(tmp_path: Path, make_cases: Make) -> None:
    path = fit(tmp_path, make_cases)
    weights, description = read_weights(path)
    assert (description["model"], description["preset"]) == ("med-lsdm", "tiny")
    assert (description["seed"], description["trained_on"]) == (3, 6)
    assert set(description["scores"]) == {"select_psnr_db", "select_stage2_mse", "latents_outside"}
    assert not any("ema" in name for name in weights)
    model = MedLsdm("tiny", device="cpu")
    model.load(path)
    read = make_cases("test", 1)[0].read_label_map
    assert read is not None
    (volume,) = model.sample(SampleRequest([1], [read()]))
    assert volume.shape == tuple(description["shape"]) == (16, 16, 16)
    assert volume.voxels.dtype == np.int16


@pytest.mark.usefixtures("small_preset")
def test_cases_without_label_maps_are_refused(tmp_path: Path, make_cases: Make) -> None:
    asked = request(tmp_path, make_cases)
    bare = [replace(case, read_label_map=None) for case in asked.train]
    with pytest.raises(DataError, match="learns to draw label maps, and the case train-0 has none"):
        MedLsdm("tiny", device="cpu").fit(replace(asked, train=bare))
