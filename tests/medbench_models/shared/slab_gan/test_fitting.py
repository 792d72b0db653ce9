"""From cases to a checkpoint: exact resume, stretched volumes, samples on their grid."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medbench.datasets.base import Case, Split
from medbench.errors import DataError
from medbench.generators.base import FitRequest, SampleRequest
from medbench.imaging.volume import Volume
from medbench.progress import silent
from medbench.storage.tensors import read_weights

Make = Callable[[Split, int], list[Case]]


def fit(model: Any, workspace: Path, make_cases: Make, *, progress: Any = silent) -> Path:
    train, select = make_cases("train", 5), make_cases("select", 3)
    return model.made().fit(FitRequest(train, select, workspace, 3, True, progress))


def test_a_killed_training_goes_on_as_if_it_had_not_been(
    model: Any, tmp_path: Path, make_cases: Make, monkeypatch: pytest.MonkeyPatch, noting: Any
) -> None:
    """Also what the spectral norms keep: otherwise the critic's losses would differ."""
    monkeypatch.setattr("medbench_models.shared.fitting.Plan", _saving_often)
    whole = fit(model, tmp_path / "whole", make_cases)
    for step in (4, 1):
        with pytest.raises(KeyboardInterrupt):
            fit(model, tmp_path / "killed", make_cases, progress=noting("train gan", step))
    resumed = fit(model, tmp_path / "killed", make_cases)
    (weights, description), (others, other) = read_weights(whole), read_weights(resumed)
    assert description == other
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    states = [
        torch.load(tmp_path / name / "gan" / "state.pt", weights_only=True)["state"] for name in ("whole", "killed")
    ]
    assert torch.equal(*(state["discriminator"]["conv7.u0"] for state in states))


def _saving_often(**named: Any) -> Any:
    from medbench.training.loop import Plan

    return Plan(**named, save_every=2)


def test_the_checkpoint_holds_what_sampling_needs_and_samples(model: Any, tmp_path: Path, make_cases: Make) -> None:
    path = fit(model, tmp_path, make_cases)
    weights, description = read_weights(path)
    assert {name.split(".")[0] for name in weights} == {"generator"}
    assert not any("sub_G" in name for name in weights)
    assert (description["model"], description["preset"], description["trained_on"]) == (
        model.plugin.info.name,
        "tiny",
        5,
    )
    assert description["steps"] == {"gan": 6, "gan_kept": 6}
    assert description["scores"]["select_energy"] > 0
    assert description["resized_from"] is None
    made = model.made()
    made.load(path)
    (volume,) = made.sample(SampleRequest(seeds=[1]))
    assert volume.shape == (16, 16, 16)
    assert volume.voxels.dtype == np.int16
    assert volume.spacing_mm == pytest.approx((5.0, 5.0, 6.0))


def test_a_preset_with_a_cube_stretches_and_says_so(crf_gan_small: Any, tmp_path: Path, make_cases: Make) -> None:
    model = crf_gan_small
    model.replace(model.config.model_copy(update={"cube": (16, 16, 8)}))
    path = fit(model, tmp_path, make_cases)
    _, description = read_weights(path)
    assert (description["shape"], description["resized_from"]) == ([16, 16, 8], [16, 16, 16])
    made = model.made()
    made.load(path)
    volume = next(made.sample(SampleRequest(seeds=[1])))
    assert volume.shape == (16, 16, 8)
    assert volume.spacing_mm == pytest.approx((5.0, 5.0, 12.0))  # the field of view stays


def test_a_batch_may_be_one_volume(model: Any, tmp_path: Path, make_cases: Make) -> None:
    model.change(batch=1, steps=2, energy_weight=0.0)
    assert fit(model, tmp_path, make_cases).is_file()


def test_volumes_that_it_cannot_make_are_refused_before_they_are_read(
    crf_gan_small: Any, tmp_path: Path, make_cases: Make
) -> None:
    cases = [
        Case(case.id, case.split, case.patient, lambda: Volume(np.zeros((16, 20, 10), np.int16), np.eye(4)))
        for case in make_cases("train", 2)
    ]
    with pytest.raises(DataError, match=r"16x20x10 voxels .* and 16x16x8 is nearest"):
        crf_gan_small.made().fit(FitRequest(cases, cases, tmp_path, 0, True, silent))
    assert not list(tmp_path.glob("*.npy"))
