"""Predictions at paper size, from shapes alone."""

import functools
import time

import pytest

from medbench.budget.prediction import predict_peak
from medbench.errors import DataError
from medbench.training.rehearsal import Rehearsal
from medbench_models.vq_trans.autoregression import step_sequences
from medbench_models.vq_trans.memory import predict, predict_sampling
from medbench_models.vq_trans.presets import PRESETS

GIB = 2**30
FULL = (512, 512, 256)
LIMIT = 24 * GIB


def test_a_sample_of_paper_size_fits_into_24_gib() -> None:
    parts = predict_sampling(PRESETS["paper"].network, (448, 448, 256), limit_bytes=LIMIT)
    assert max(part.peak_bytes for part in parts.values()) < LIMIT


def test_the_last_token_holds_the_cache_and_no_mask() -> None:
    """Keys and values of 22 blocks, 12,544 tokens and 256 channels in float16; nothing grows with the square."""
    found = predict_sampling(PRESETS["paper"].network, (448, 448, 256))["next token"]
    cache = [one for one in found.largest_tensors if one.shape == (22, 1, 8, 12_544, 32)]
    assert [one.bytes for one in cache] == [22 * 12_544 * 256 * 2] * 2
    assert found.largest_tensors[0].bytes == cache[0].bytes


def test_training_on_12_544_tokens_holds_no_matrix_of_tokens_and_tokens() -> None:
    """Passes that accumulate hold no more from the second on."""
    network, settings = PRESETS["paper"].network, PRESETS["paper"].stage2.model_copy(update={"accumulate": 2})
    step = functools.partial(step_sequences, network, settings, (448, 448, 256), Rehearsal(settings.precision))
    found = predict_peak(step)
    assert found.peak_bytes < 6 * GIB
    assert all(one.shape.count(12_544) == 1 for one in found.largest_tensors if 12_544 in one.shape)


def test_a_prediction_is_of_the_shape_that_the_preset_resamples_to() -> None:
    config = PRESETS["paper"]
    asked, own = (predict(config, "sample", shape, limit_bytes=LIMIT) for shape in (FULL, (448, 448, 256)))
    assert asked == own
    full = predict(PRESETS["paper-full"], "sample", FULL, limit_bytes=LIMIT)
    assert full.tensor_bytes > own.tensor_bytes


def test_whether_compression_8_fits_is_answered() -> None:
    """131,072 tokens: their cache and a sample fit into 24 GiB; what grows with their square is time, not memory."""
    parts = predict_sampling(PRESETS["paper-ds8"].network, FULL, limit_bytes=LIMIT)
    assert parts["next token"].tensor_bytes > 2 * 22 * 131_072 * 256 * 2
    assert max(part.peak_bytes for part in parts.values()) < LIMIT


def test_shapes_without_whole_latent_positions_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        DataError, match=r"512x512x250 voxels do not fit: .* multiple of 16, and 512x512x256 is nearest"
    ):
        predict(PRESETS["paper-full"], "sample", (512, 512, 250))


def test_volumes_smaller_than_the_crops_are_refused() -> None:
    with pytest.raises(DataError, match="64x64x64 voxels are too small: this preset's crops are 128x128x128"):
        predict(PRESETS["paper-full"], "fit", (64, 64, 64))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["paper", "paper-full", "paper-ds8"])
def test_each_stage_is_predicted_within_a_minute(name: str) -> None:
    for stage in ("fit", "sample"):
        started = time.monotonic()
        predict(PRESETS[name], stage, FULL, limit_bytes=LIMIT)
        assert time.monotonic() - started < 60
