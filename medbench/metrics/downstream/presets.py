"""How long nnU-Net is trained: the values of the protocol's field ``downstream``."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from medbench.errors import Unavailable

CONFIGURATION: Final = "3d_fullres"
_TINY_FEATURES: Final = 4  # times fewer than planned
_TINY_PATCH: Final = 64


@dataclass(frozen=True)
class Preset:
    """A schedule; every training set gets the same number of steps, whatever its size.

    Args:
        trainer: class in ``trainers/medbench_trainers.py``.
        epochs: nnU-Net's epochs: the learning rate falls from one to the next.
        iterations: training steps in an epoch.
        learning_rate: of the first epoch; nnU-Net's own where nothing is said.
        validation_iterations: patches of the training cases that nnU-Net looks at after each epoch, for its log.
        save_every: epochs between checkpoints.
        smaller: whether the planned network is cut down for a CPU.
    """

    trainer: str
    epochs: int
    iterations: int
    learning_rate: float = 0.01
    validation_iterations: int = 50
    save_every: int = 10
    smaller: bool = False

    @property
    def steps(self) -> int:
        """Training steps in all."""
        return self.epochs * self.iterations


PRESETS: Final[Mapping[str, Preset]] = {
    "full": Preset("MedbenchTrainer", epochs=1000, iterations=250),
    "short": Preset("MedbenchTrainer", epochs=100, iterations=250),
    "tiny": Preset(
        "MedbenchTrainerTiny", epochs=10, iterations=30, validation_iterations=1, save_every=1, smaller=True
    ),
}


def adapted(plans: Mapping[str, Any], preset: Preset) -> dict[str, Any]:
    """Return nnU-Net's plans as the preset wants them.

    Args:
        plans: ``nnUNetPlans.json``, as nnU-Net's planner wrote it.
        preset: where it is ``smaller``, the network gets a quarter of the features and one convolution a stage, and
            a patch at most 64 voxels wide; otherwise the plans stay as they are.

    Raises:
        Unavailable: nnU-Net planned no 3D network for these volumes.
    """
    if CONFIGURATION not in plans["configurations"]:
        raise Unavailable(f"nnU-Net plans no {CONFIGURATION} network for these volumes: they are too thin")
    changed = copy.deepcopy(dict(plans))
    if not preset.smaller:
        return changed
    configuration = changed["configurations"][CONFIGURATION]
    network = configuration["architecture"]["arch_kwargs"]
    network["features_per_stage"] = [max(1, features // _TINY_FEATURES) for features in network["features_per_stage"]]
    for part in ("n_conv_per_stage", "n_conv_per_stage_decoder"):
        network[part] = [1] * len(network[part])
    # Edges of 64 voxels or less, still divisible by all of the network's strides together.
    whole = [math.prod(strides) for strides in zip(*network["strides"])]
    configuration["patch_size"] = [
        size if size <= _TINY_PATCH else max(step, _TINY_PATCH // step * step)
        for size, step in zip(configuration["patch_size"], whole)
    ]
    return changed
