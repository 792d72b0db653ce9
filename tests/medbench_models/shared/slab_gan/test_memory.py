"""Predicted memory: within the budget where the documentation says so, and of the code that runs."""

import math
from typing import Any

import pytest

from medbench.errors import DataError
from medbench.training.loop import launch
from medbench_models.crf_gan.generator import CrfGan
from medbench_models.ha_gan.adversarial import HaganTask
from medbench_models.ha_gan.generator import HaGan
from medbench_models.ha_gan.presets import PRESETS
from medbench_models.shared.slab_gan.memory import fitting, predict
from medbench_models.shared.slab_gan.networks import pyramid
from medbench_models.shared.slab_gan.task import rehearse

GIB = 2**30


def test_the_paper_trains_and_samples_within_24_gib() -> None:
    for plugin in (HaGan, CrfGan):
        for stage in ("fit", "sample"):
            found = plugin("paper", device="cpu").predict(stage, (512, 512, 256), limit_bytes=math.inf)
            assert found.peak_bytes <= 24 * GIB


def test_a_cube_needs_the_same_for_every_volume() -> None:
    found = [
        predict(HaganTask, PRESETS["cube128"], "sample", shape).tensor_bytes
        for shape in ((512, 512, 256), (64, 64, 30))
    ]
    assert found[0] == found[1]


def test_the_widest_tensor_of_a_sample_is_in_half_precision() -> None:
    largest = predict(HaganTask, PRESETS["paper"], "sample", (1, 1, 1)).largest_tensors[0]
    assert (largest.shape, largest.dtype) == ((1, 32, 256, 256, 256), "float16")


def test_a_shape_that_it_cannot_make_is_refused() -> None:
    with pytest.raises(DataError, match="512x512x256 is nearest"):
        HaGan("full", device="cpu").predict("sample", (512, 512, 250), limit_bytes=math.inf)


def test_the_rehearsed_step_runs_with_numbers_too(model: Any) -> None:
    config = model.config
    task = fitting(model.plugin.task(), config, pyramid(config.network, (16, 16, 16)))
    rehearse(task, launch("cpu"))
    assert task.averaged.updates == 1
