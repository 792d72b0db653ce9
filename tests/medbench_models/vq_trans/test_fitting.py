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
from medbench_models.vq_trans.config import VqTransConfig
from medbench_models.vq_trans.fitting import VqTransFitting, resampled
from medbench_models.vq_trans.generator import VqTrans
from medbench_models.vq_trans.presets import PRESETS

Make = Callable[[Split, int], list[Case]]


def request(workspace: Path, make_cases: Make, progress: Any = silent) -> FitRequest:
    return FitRequest(
        make_cases("train", 6), make_cases("select", 2), workspace, seed=3, resume=True, progress=progress
    )


def fit(workspace: Path, make_cases: Make, *, progress: Any = silent) -> Path:
    return VqTrans("tiny", device="cpu").fit(request(workspace, make_cases, progress))


@pytest.mark.usefixtures("small_preset")
def test_a_fit_killed_in_every_stage_gives_the_same_checkpoint(tmp_path: Path, make_cases: Make, noting: Any) -> None:
    whole = fit(tmp_path / "whole", make_cases)
    for kill in (noting("train stage1", 5), noting("encode", 2), noting("train stage2", 4)):
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
    assert (description["model"], description["preset"]) == ("vq-trans", "tiny")
    assert (description["seed"], description["trained_on"]) == (3, 6)
    assert 0.0 < description["codes_used"] <= 1.0
    assert set(description["scores"]) == {"select_psnr_db", "select_nats_per_token"}
    assert not any("mask" in name or "ema" in name for name in weights)
    model = VqTrans("tiny", device="cpu")
    model.load(path)
    (volume,) = model.sample(SampleRequest(seeds=[1]))
    assert volume.shape == tuple(description["shape"]) == (16, 16, 16)
    assert volume.voxels.dtype == np.int16
    assert volume.spacing_mm == pytest.approx((5.0, 5.0, 6.0))


def test_a_preset_with_a_shape_of_its_own_resamples_over_the_field_of_view(
    small: VqTransConfig, tmp_path: Path, make_cases: Make, monkeypatch: pytest.MonkeyPatch, noting: Any
) -> None:
    """As the paper preset makes 448x448x256 of 512x512x256; the spacing follows, and samples have it too."""
    network = small.network.model_copy(update={"shape": (12, 12, 16)})
    stage1 = small.stage1.model_copy(update={"crop": (8, 8, 8)})
    monkeypatch.setitem(PRESETS, "tiny", small.model_copy(update={"network": network, "stage1": stage1}))
    progress = noting()
    path = fit(tmp_path, make_cases, progress=progress)
    assert "volumes are resampled to 12x12x16 voxels over their field of view" in progress.notes
    model = VqTrans("tiny", device="cpu")
    model.load(path)
    (volume,) = model.sample(SampleRequest(seeds=[1]))
    assert volume.shape == (12, 12, 16)
    assert volume.spacing_mm == pytest.approx((5.0 * 16 / 12, 5.0 * 16 / 12, 6.0))


def test_resampling_changes_the_volumes_and_nothing_else(tmp_path: Path, make_cases: Make) -> None:
    before = request(tmp_path, make_cases)
    after = resampled(before, (8, 8, 16))
    assert [case.id for case in (*after.train, *after.select)] == [case.id for case in (*before.train, *before.select)]
    assert after.train[0].read_volume().shape == (8, 8, 16)
    assert (after.workspace, after.seed) == (before.workspace, before.seed)


@pytest.mark.usefixtures("small_preset")
def test_volumes_that_the_vqvae_cannot_halve_are_refused_with_the_nearest_shape(tmp_path: Path) -> None:
    volume = Volume(np.zeros((18, 16, 16), np.int16), np.eye(4))
    cases = [Case(str(index), "train", str(index), lambda: volume) for index in range(2)]
    with pytest.raises(DataError, match=r"18x16x16 voxels do not fit: .* multiple of 4, and 16x16x16 is nearest"):
        VqTrans("tiny", device="cpu").fit(FitRequest(cases, cases, tmp_path, 0, True, silent))


@pytest.mark.usefixtures("small_preset")
def test_other_settings_do_not_go_on(
    tmp_path: Path, make_cases: Make, small: VqTransConfig, monkeypatch: pytest.MonkeyPatch, noting: Any
) -> None:
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, make_cases, progress=noting("encode", 1))
    stage1 = small.stage1.model_copy(update={"rate": 1.0})
    monkeypatch.setitem(PRESETS, "tiny", small.model_copy(update={"stage1": stage1}))
    (state,) = tmp_path.rglob("stage1/state.pt")
    before = state.stat().st_mtime_ns
    fit(tmp_path, make_cases)
    assert state.stat().st_mtime_ns > before  # it was trained anew


@pytest.mark.parametrize(("used", "warned"), [(1, True), (2, False)])
def test_a_codebook_of_which_little_is_used_over_an_epoch_is_told(
    used: int, warned: bool, small: VqTransConfig, tmp_path: Path, make_cases: Make, noting: Any
) -> None:
    """Sixteen codes: one is less than a tenth of them, two are not, however many a single volume has."""
    from medbench_models.vq_trans.autoregression import Codes

    progress = noting()
    fitting = VqTransFitting("tiny", small, request(tmp_path, make_cases, progress), device="cpu")
    indices = np.arange(6, dtype=np.uint16).reshape(6, 1, 1, 1) % used * np.ones((1, 4, 4, 4), np.uint16)
    assert fitting.share_used(Codes(indices)) == used / 16
    assert [note for note in progress.notes if "less than a tenth" in note] == progress.notes[: int(warned)]
