from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medbench.datasets.base import Case, Split
from medbench.errors import CheckpointError, DataError
from medbench.generators.base import FitRequest, SampleRequest, TrainingData
from medbench.progress import silent
from medbench.storage.tensors import read_weights
from medbench_models.medlord.generator import MedLoRD
from medbench_models.voldit import presets
from medbench_models.voldit.checkpoint import frozen_vqvae
from medbench_models.voldit.config import VolDiTConfig
from medbench_models.voldit.generator import VolDiT

Make = Callable[[Split, int], list[Case]]
SAW = (TrainingData("phantom", note="train split"),)


def fit(name: str, workspace: Path, make_cases: Make, *, progress: Any = silent) -> Path:
    train, select = make_cases("train", 6), make_cases("select", 2)
    request = FitRequest(train, select, workspace, 3, True, progress, SAW)
    return VolDiT(name, device="cpu").fit(request)


def test_a_fit_killed_in_every_stage_gives_the_same_checkpoint(
    small_name: str, tmp_path: Path, make_cases: Make, noting: Any
) -> None:
    """Dropout and mask dropout among the chance that is drawn again."""
    whole = fit(small_name, tmp_path / "whole", make_cases)
    for kill in (
        noting("train stage1", 5),
        noting("encode", 2),
        noting("train stage2", 4),
        noting("train stage3", 3),
    ):
        with pytest.raises(KeyboardInterrupt):
            fit(small_name, tmp_path / "killed", make_cases, progress=kill)
    resumed = fit(small_name, tmp_path / "killed", make_cases)
    (weights, description), (others, other) = read_weights(whole), read_weights(resumed)
    assert description == other
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert {name.partition(".")[0] for name in weights} == {"vqvae", "dit", "adapter"}
    assert description["saw"] == [{"dataset": "phantom", "part": "weights", "note": "train split"}]
    assert set(description["scores"]) == {"select_psnr_db", "select_stage2_mse", "select_stage3_mse"}
    model = VolDiT(small_name, device="cpu")
    model.load(resumed)
    labels = make_cases("select", 1)[0].read_label_map()
    for conditions in (None, [labels]):
        (volume,) = model.sample(SampleRequest([1], conditions))
        assert volume.shape == (16, 16, 16)
        assert volume.voxels.dtype == np.int16
        assert volume.spacing_mm == pytest.approx((5.0, 5.0, 6.0))


def test_the_tiny_preset_leaves_medlords_vqvae_as_it_is(
    small_voldit: VolDiTConfig, tmp_path: Path, make_cases: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so in what it saw; without label maps there is no adapter."""
    tiny = presets.PRESETS["tiny"]
    network = small_voldit.network.model_copy(update={"vqvae": tiny.network.vqvae})
    monkeypatch.setitem(presets.PRESETS, "tiny", small_voldit.model_copy(update={"network": network, "stage1": None}))
    cases = {split: make_cases(split, 2) for split in ("train", "select")}
    bare = {split: [Case(c.id, c.split, c.patient, c.read_volume) for c in part] for split, part in cases.items()}
    path = VolDiT("tiny", device="cpu").fit(
        FitRequest(**bare, workspace=tmp_path, seed=3, resume=True, progress=silent)
    )
    weights, description = read_weights(path)
    shipped = frozen_vqvae(MedLoRD("tiny", device="cpu").default_checkpoint(), tiny.network.vqvae)
    assert all(torch.equal(weights[f"vqvae.{name}"], value) for name, value in shipped.items())
    assert [one["part"] for one in description["saw"]] == ["VQ-VAE (MedLoRD's)"]
    assert description["network"]["adapter"] is None
    assert set(description["steps"]) == {"stage2", "stage2_kept"}
    with pytest.raises(CheckpointError, match="does not fit the preset's VQ-VAE"):
        frozen_vqvae(path, small_voldit.network.vqvae)


def test_shapes_that_make_no_tokens_are_refused(small_name: str, tmp_path: Path, make_cases: Make) -> None:
    presets.PRESETS[small_name] = presets.PRESETS[small_name].model_copy(
        update={"network": presets.PRESETS[small_name].network.model_copy(update={"dit": _of_patch(4)})}
    )
    cases = make_cases("train", 1)
    odd = [Case("odd", "train", "odd", lambda: _cropped(cases[0]))]
    with pytest.raises(DataError, match="multiple of 16, and 16x16x16 is nearest"):
        VolDiT(small_name, device="cpu").fit(FitRequest(odd, odd, tmp_path, 3, True, silent))


def _of_patch(patch: int):
    return presets.PRESETS["tiny"].network.dit.model_copy(update={"patch": patch})


def _cropped(case: Case):
    volume = case.read_volume()
    return type(volume)(volume.voxels[:, :, :8].copy(), volume.affine)
