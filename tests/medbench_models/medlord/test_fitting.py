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
from medbench.storage.tensors import read_weights
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.generator import MedLoRD
from medbench_models.medlord.presets import PRESETS

Make = Callable[[Split, int], list[Case]]


def fit(workspace: Path, make_cases: Make, *, resume: bool = True, progress: Any = silent) -> Path:
    model = MedLoRD("tiny", device="cpu")
    train, select = make_cases("train", 6), make_cases("select", 2)
    return model.fit(FitRequest(train, select, workspace, seed=3, resume=resume, progress=progress))


@pytest.mark.usefixtures("small_preset")
def test_a_fit_killed_in_every_stage_gives_the_same_checkpoint(tmp_path: Path, make_cases: Make, noting: Any) -> None:
    whole = fit(tmp_path / "whole", make_cases)
    for kill in (
        noting("read volumes", 3),
        noting("train stage1", 5),
        noting("encode", 2),
        noting("train stage2", 4),
        noting("train stage3", 3),
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
    _, description = read_weights(path)
    assert description["model"] == "medlord"
    assert description["preset"] == "tiny"
    assert description["seed"] == 3
    assert description["trained_on"] == 6
    assert description["shape"] == [16, 16, 16]
    assert description["scale_factor"] > 0
    model = MedLoRD("tiny", device="cpu")
    model.load(path)
    (volume,) = model.sample(SampleRequest(seeds=[1]))
    assert volume.shape == (16, 16, 16)
    assert volume.voxels.dtype == np.int16
    assert volume.spacing_mm == pytest.approx((5.0, 5.0, 6.0))


@pytest.mark.usefixtures("small_preset")
def test_without_resume_everything_is_made_anew(tmp_path: Path, make_cases: Make) -> None:
    fit(tmp_path, make_cases)
    state = tmp_path / "stage1" / "state.pt"
    first = state.stat().st_mtime_ns
    fit(tmp_path, make_cases)
    assert state.stat().st_mtime_ns == first
    fit(tmp_path, make_cases, resume=False)
    assert state.stat().st_mtime_ns > first


@pytest.mark.usefixtures("small_preset")
def test_a_damaged_state_is_made_again_and_ends_alike(tmp_path: Path, make_cases: Make) -> None:
    whole = fit(tmp_path, make_cases).read_bytes()
    (tmp_path / "stage1" / "best.pt").write_bytes(b"damaged")
    assert fit(tmp_path, make_cases).read_bytes() == whole


@pytest.mark.usefixtures("small_preset")
def test_a_training_needs_cases_of_both_splits(tmp_path: Path, make_cases: Make) -> None:
    with pytest.raises(DataError, match=r"no cases in the split select: .* splits\.json"):
        MedLoRD("tiny", device="cpu").fit(FitRequest(make_cases("train", 6), [], tmp_path / "w", 3, True, silent))
    assert not list(tmp_path.iterdir())


def test_a_cpu_says_that_it_does_not_mix_float16(
    small: MedLoRDConfig, tmp_path: Path, make_cases: Make, monkeypatch: pytest.MonkeyPatch, noting: Any
) -> None:
    halved = small.model_copy(update={"stage2": small.stage2.model_copy(update={"precision": "16-mixed"})})
    monkeypatch.setitem(PRESETS, "tiny", halved)
    progress = noting("train stage1", 0)
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, make_cases, progress=progress)
    assert any(note.startswith("a CPU mixes bfloat16") for note in progress.notes)
