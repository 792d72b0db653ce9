import functools
import math

import pytest

from medbench.budget.prediction import predict_peak
from medbench.errors import DataError
from medbench.generators.base import Predicts
from medbench.training.loop import launch
from medbench.training.rehearsal import Rehearsal
from medbench_models.voldit.config import VolDiTConfig
from medbench_models.voldit.generator import VolDiT
from medbench_models.voldit.memory import predict, predict_fitting, predict_sampling, step_denoiser
from medbench_models.voldit.presets import PRESETS

GIB = 2**30
FULL = (512, 512, 256)


def test_full_size_is_sampled_within_24_gib() -> None:
    parts = predict_sampling(PRESETS["paper"].network, FULL, limit_bytes=24 * GIB)
    assert max(part.peak_bytes for part in parts.values()) <= 24 * GIB


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PRESETS if name != "tiny"])
def test_every_stage_of_every_size_fits_24_gib(name: str) -> None:
    parts = predict_fitting(PRESETS[name], FULL, limit_bytes=24 * GIB)
    assert set(parts) == {"stage1", "encode", "stage2", "stage3"}
    parts |= predict_sampling(PRESETS[name].network, FULL, limit_bytes=24 * GIB)
    for stage, prediction in parts.items():
        assert prediction.peak_bytes <= 24 * GIB, stage


def test_attention_keeps_no_matrix_of_tokens() -> None:
    """With 16,384 tokens it would take 3 GiB in float16 with six heads."""
    network = PRESETS["xs2"].network.model_copy(update={"adapter": None})
    found = predict_sampling(network, FULL, limit_bytes=24 * GIB)["denoise"]
    assert found.tensor_bytes < GIB


def test_checkpointed_blocks_are_seen() -> None:
    config = PRESETS["tiny"]
    found = []
    for checkpointing in (False, True):
        settings = config.stage2.model_copy(update={"checkpointing": checkpointing})
        step = functools.partial(
            step_denoiser, config.network, settings, (64, 64, 32), Rehearsal("16-mixed"), steered=False
        )
        found.append(predict_peak(step).tensor_bytes)
    assert found[1] < 0.7 * found[0]


def test_a_frozen_vqvae_is_not_trained() -> None:
    parts = predict_fitting(PRESETS["tiny"], (64, 64, 32))
    assert set(parts) == {"encode", "stage2", "stage3"}
    assert predict(PRESETS["tiny"], "fit", (64, 64, 32)) == max(parts.values(), key=lambda part: part.tensor_bytes)


def test_the_rehearsed_steps_run_with_numbers_too(small_voldit: VolDiTConfig) -> None:
    for stage, steered in ((small_voldit.stage2, False), (small_voldit.stage3, True)):
        settings = stage.model_copy(update={"checkpointing": True})
        step_denoiser(small_voldit.network, settings, (16, 16, 16), launch("cpu"), steered=steered)


@pytest.mark.parametrize(
    ("stage", "shape", "words"),
    [("sample", (500, 512, 256), "multiple of 32"), ("fit", (64, 64, 64), "crops are 256x256x128")],
)
def test_shapes_that_do_not_suit_are_refused(stage: str, shape: tuple[int, int, int], words: str) -> None:
    model = VolDiT("paper", device="cpu")
    assert isinstance(model, Predicts)
    with pytest.raises(DataError, match=words):
        model.predict(stage, shape, limit_bytes=math.inf)
