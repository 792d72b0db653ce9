"""The memory that HA-GAN's stages need on a GPU, predicted from its own code; see ``medbench.budget.prediction``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from medbench.budget.prediction import Prediction, predict_peak
from medbench.generators.base import Stage
from medbench.training.rehearsal import Rehearsal
from medbench_models.ha_gan.adversarial import HaganTask
from medbench_models.ha_gan.config import HaganConfig, NetworkConfig
from medbench_models.shared.hierarchical import Pyramid, SlabGenerator, pyramid
from medbench_models.shared.precision import sampling_dtype
from medbench_models.shared.slab_gan import nothing_of, rehearse


def predict(config: HaganConfig, stage: Stage, shape: Sequence[int], *, limit_bytes: float = math.inf) -> Prediction:
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
    return predict_peak(lambda: rehearse(fitting(config, grids), Rehearsal(config.gan.precision)))


def fitting(config: HaganConfig, grids: Pyramid) -> HaganTask:
    """Return a training on no volumes, to rehearse it or to measure it."""
    nothing = nothing_of(grids)
    return HaganTask(config.network, config.gan, grids=grids, train=nothing, select=nothing, seed=0)


@torch.no_grad()
def _generate(network: NetworkConfig, grids: Pyramid) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(sampling_dtype("cuda"))  # weights without contents cannot be converted
    try:
        SlabGenerator(network, grids).eval()(torch.empty(1, network.latent + network.classes))
    finally:
        torch.set_default_dtype(before)
