"""The memory that GANs on slabs need on a GPU, predicted from their own code; see ``medbench.budget.prediction``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from medbench.budget.prediction import Prediction, predict_peak
from medbench.generators.base import Stage
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.config import SlabGanConfig, SlabPreset
from medbench_models.shared.precision import built_as_sampled
from medbench_models.shared.slab_gan.networks import Pyramid, SlabGenerator, pyramid
from medbench_models.shared.slab_gan.task import SlabGanTask, nothing_of, rehearse

Task = type[SlabGanTask[Any, Any]]


def predict(
    task: Task, config: SlabPreset, stage: Stage, shape: Sequence[int], *, limit_bytes: float = math.inf
) -> Prediction:
    """Return the prediction of a stage; where the preset stretches volumes to its cube, their own shape is no matter.

    Args:
        task: the model's training.
        config: a preset.
        stage: ``fit`` or ``sample``.
        shape: voxels (x, y, z).
        limit_bytes: memory in all; nothing here can be had for less.

    Raises:
        DataError: a shape that the generator cannot make.
    """
    del limit_bytes
    grids = pyramid(config.network, config.cube or shape)
    if stage == "sample":
        return predict_peak(lambda: _generate(config.network, grids))
    return predict_peak(lambda: rehearse(fitting(task, config, grids), Rehearsal(config.gan.precision)))


def fitting(task: Task, config: SlabPreset, grids: Pyramid) -> SlabGanTask[Any, Any]:
    """Return a training on no volumes, to rehearse it or to measure it."""
    nothing = nothing_of(grids)
    return task(config.network, config.gan, grids=grids, train=nothing, select=nothing, seed=0)


@torch.no_grad()
def _generate(network: SlabGanConfig, grids: Pyramid) -> None:
    with built_as_sampled():
        SlabGenerator(network, grids).eval()(torch.empty(1, network.latent + network.classes))
