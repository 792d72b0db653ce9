from __future__ import annotations

import math

import pytest

from medbench.errors import DataError
from medbench.generators.base import Predicts
from medbench.training.loop import launch
from medbench_models.maisi.config import MaisiConfig
from medbench_models.maisi.generator import MaisiPt, MaisiSt
from medbench_models.maisi.memory import predict_fitting, predict_sampling, step_denoiser
from medbench_models.maisi.presets import PRESETS
from medbench_models.maisi.windows import activation_bytes

GIB = 2**30
PAPER = (512, 512, 128)


def test_paper_size_is_sampled_within_24_gib() -> None:
    parts = predict_sampling(PRESETS["paper"].network, PAPER, limit_bytes=24 * GIB)
    assert set(parts) == {"denoise", "decode"}
    assert max(part.peak_bytes for part in parts.values()) <= 24 * GIB
    window = [one for one in parts["decode"].largest_tensors if one.shape == (1, 128, 320, 320, 128)]
    assert {one.dtype for one in window} == {"float16"}
    activations = activation_bytes(PRESETS["paper"].network.autoencoder, (80, 80, 32), itemsize=2)
    assert activations < parts["decode"].tensor_bytes < 1.1 * activations


def test_less_memory_is_enough_with_smaller_windows() -> None:
    found = predict_sampling(PRESETS["paper"].network, PAPER, limit_bytes=8 * GIB)["decode"]
    assert found.peak_bytes <= 8 * GIB


@pytest.mark.slow
@pytest.mark.parametrize("name", ["paper", "rflow"])
def test_every_stage_trains_at_paper_size_within_24_gib(name: str) -> None:
    for stage, prediction in predict_fitting(PRESETS[name], PAPER, limit_bytes=24 * GIB, frozen=False).items():
        assert prediction.peak_bytes <= 24 * GIB, stage


def test_every_stage_is_rehearsed(small: MaisiConfig) -> None:
    parts = predict_fitting(small, (16, 16, 16), frozen=False)
    assert set(parts) == {"encode", "stage1", "stage2", "stage3"}
    assert min(part.tensor_bytes for part in parts.values()) > 0


def test_the_controlnet_counts(small: MaisiConfig) -> None:
    bare = small.network.model_copy(update={"controlnet": None})
    found = [predict_sampling(network, (64, 64, 64))["denoise"].tensor_bytes for network in (bare, small.network)]
    assert found[1] > found[0]


def test_the_rehearsed_steps_run_with_numbers_too(small: MaisiConfig) -> None:
    fabric = launch("cpu", "32-true")
    step_denoiser(small.network, small.stage2, (16, 16, 16), fabric, steered=False)
    step_denoiser(small.network, small.stage3, (16, 16, 16), fabric, steered=True)


def test_shapes_that_do_not_suit_are_refused() -> None:
    model = MaisiSt("paper", device="cpu")
    assert isinstance(model, Predicts)
    with pytest.raises(DataError, match="multiple of 32, and 512x512x128 is nearest"):
        model.predict("sample", (500, 512, 130), limit_bytes=math.inf)
    with pytest.raises(DataError, match="crops are 64x64x64"):
        model.predict("fit", (64, 64, 32), limit_bytes=math.inf)


@pytest.mark.usefixtures("small_preset")
def test_a_frozen_autoencoder_needs_no_crops() -> None:
    assert MaisiPt("tiny", device="cpu").predict("fit", (8, 8, 8), limit_bytes=math.inf).tensor_bytes > 0
