"""Predictions at the presets' own shapes, from shapes alone."""

import pytest

from medbench.errors import DataError
from medbench_models.med_lsdm.memory import predict, predict_fitting, predict_sampling
from medbench_models.med_lsdm.presets import PRESETS

GIB = 2**30
FULL = (512, 512, 256)
LIMIT = 24 * GIB


def test_a_sample_of_paper_size_fits_into_24_gib() -> None:
    parts = predict_sampling(PRESETS["paper"], FULL)
    assert max(part.peak_bytes for part in parts.values()) < LIMIT


@pytest.mark.slow
def test_training_at_paper_size_fits_into_24_gib() -> None:
    parts = predict_fitting(PRESETS["paper"], FULL)
    assert max(part.peak_bytes for part in parts.values()) < LIMIT


def test_shapes_without_whole_latent_positions_are_refused_with_the_nearest() -> None:
    with pytest.raises(DataError, match="multiples of 32, 32, 4, and 512x512x256 is nearest"):
        predict(PRESETS["paper"], "sample", (512, 500, 256))


def test_volumes_smaller_than_the_crops_are_refused() -> None:
    with pytest.raises(DataError, match="128x128x32 voxels are too small: this preset's crops are 256x256x32"):
        predict(PRESETS["paper"], "fit", (128, 128, 32))
