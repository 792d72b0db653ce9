"""The memory that HA-GAN's stages need on a GPU, predicted from its own code; see ``medbench.budget.prediction``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.budget.prediction import Prediction, predict_peak
from medbench.generators.base import Stage
from medbench.training.rehearsal import Rehearsal
from medbench_models.ha_gan.adversarial import HaganTask
from medbench_models.ha_gan.config import HaganConfig, NetworkConfig
from medbench_models.shared.hierarchical import Pyramid, SlabGenerator, pyramid
from medbench_models.shared.precision import sampling_dtype


def predict(
    config: HaganConfig, stage: Stage, shape: Sequence[int], *, limit_bytes: float = math.inf
) -> Prediction:
    """Return the prediction of a stage; where the preset stretches volumes to its cube, their own shape is no matter.

    Args:
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
    return predict_peak(lambda: rehearse(config, grids, Rehearsal(config.gan.precision)))


def rehearse(config: HaganConfig, grids: Pyramid, fabric: Rehearsal | Fabric) -> HaganTask:
    """Take a step of the training and validate once, on empty volumes; return the training.

    Args:
        config: a preset.
        grids: of the volumes.
        fabric: a rehearsal, to predict the memory that it takes, or the real one, to measure it.
    """
    depth, height, width = grids.volume
    nothing = np.zeros((1, width, height, depth), np.int16)
    task = HaganTask(config.network, config.gan, grids=grids, train=nothing, select=nothing, seed=0)
    task.setup(fabric)
    task.step(0, torch.Generator())
    return task


@torch.no_grad()
def _generate(network: NetworkConfig, grids: Pyramid) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(sampling_dtype("cuda"))  # weights without contents cannot be converted
    try:
        SlabGenerator(network, grids).eval().volume(torch.empty(1, network.latent + network.classes))
    finally:
        torch.set_default_dtype(before)
