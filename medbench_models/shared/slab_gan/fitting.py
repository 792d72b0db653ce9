"""From cases to a checkpoint: the one stage of a GAN that trains on slabs, resumable at every point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from lightning_fabric import Fabric

from medbench.datasets.base import Case
from medbench.generators.base import FitRequest
from medbench.imaging.grid import to_grid
from medbench.spec import Grid
from medbench_models.shared.config import SlabPreset
from medbench_models.shared.fitting import Fitting, Weights
from medbench_models.shared.slab_gan.checkpoint import NETWORK, Description
from medbench_models.shared.slab_gan.networks import pyramid
from medbench_models.shared.slab_gan.task import SlabGanTask


class SlabFitting(Fitting[SlabPreset]):
    """The networks in turn, on volumes that are stretched where the preset has a cube.

    Args:
        task: the model's training.
        preset: the preset's name, for the checkpoint.
        config: the preset.
        request: cases, workspace and seed.
        device: torch device.
    """

    stages = ("gan",)

    def __init__(
        self, task: type[SlabGanTask[Any, Any]], preset: str, config: SlabPreset, request: FitRequest, *, device: str
    ) -> None:
        super().__init__(preset, config, request, device=device)
        self.task = task
        self.model = task.model
        if config.cube is not None:
            self.cases = {name: stretched(cases, config.cube) for name, cases in self.cases.items()}

    def train(self, fabric: Fabric) -> tuple[Weights, Description[Any]]:
        """Train the networks; see ``Fitting``."""
        network, config = self.config.network, self.config.gan
        grids = pyramid(network, self.cases["train"][0].read_volume().shape)  # before any other volume is read
        volumes = self.volumes(fabric, smallest=(1, 1, 1))
        task = self.task(network, config, grids=grids, **volumes, seed=self.request.seed)
        for module in task.networks.values():
            module.to(memory_format=torch.channels_last_3d)  # quicker, on a CPU by a third
        trained = self.stage(task, "gan", config, {"network": network})
        given = self.request.train[0].read_volume().shape
        facts: dict[str, Any] = self.facts({"gan": trained})
        description = Description[type(network)](
            **facts,
            network=network,
            scores={"select_energy": trained.scores["score"]},
            resized_from=None if given == facts["shape"] else given,
        )
        return {NETWORK: trained.weights}, description


def stretched(cases: Sequence[Case], shape: tuple[int, int, int]) -> list[Case]:
    """Return cases whose volumes are stretched to a shape; their affines say to which spacing."""
    grid = Grid(shape=shape, fit="resize")

    def of(case: Case) -> Case:
        return replace(case, read_volume=lambda: to_grid(case.read_volume(), grid), read_label_map=None)

    return [of(case) for case in cases]
