import ast
from pathlib import Path

import pytest

from medbench.errors import Unavailable
from medbench.metrics.downstream import process
from medbench.metrics.downstream.presets import PRESETS, adapted


def plans(patch: list[int], strides: list[list[int]]) -> dict:
    network = {
        "features_per_stage": [32, 64, 128][: len(strides)],
        "n_conv_per_stage": [2] * len(strides),
        "n_conv_per_stage_decoder": [2] * (len(strides) - 1),
        "strides": strides,
    }
    return {"configurations": {"3d_fullres": {"patch_size": patch, "architecture": {"arch_kwargs": network}}}}


def test_only_the_tiny_preset_changes_the_plans():
    planned = plans([32, 160, 128], [[1, 1, 1], [1, 2, 2], [2, 2, 2]])
    assert adapted(planned, PRESETS["full"]) == planned
    tiny = adapted(planned, PRESETS["tiny"])["configurations"]["3d_fullres"]
    assert tiny["patch_size"] == [32, 64, 64]
    assert tiny["architecture"]["arch_kwargs"]["features_per_stage"] == [8, 16, 32]
    assert tiny["architecture"]["arch_kwargs"]["n_conv_per_stage_decoder"] == [1, 1]
    assert planned["configurations"]["3d_fullres"]["patch_size"] == [32, 160, 128]
    with pytest.raises(Unavailable, match="plans no 3d_fullres network"):
        adapted({"configurations": {"2d": {}}}, PRESETS["full"])


def test_the_full_preset_is_nnunets_own_schedule():
    """1000 epochs of 250 steps from 0.01 on, 50 validation patches: Isensee et al. 2021, nnU-Net's default trainer."""
    full = PRESETS["full"]
    assert (full.epochs, full.iterations, full.validation_iterations) == (1000, 250, 50)
    assert full.learning_rate == 0.01


def test_every_preset_names_a_trainer_that_is_there():
    source = (process.TRAINERS / "medbench_trainers.py").read_text(encoding="utf-8")
    classes = {node.name for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    assert {preset.trainer for preset in PRESETS.values()} == classes
    assert [path.name for path in Path(process.TRAINERS).glob("*.py")] == ["medbench_trainers.py"]
