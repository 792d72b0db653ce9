"""From cases to a checkpoint: HA-GAN's one stage, resumable at every point."""

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
from medbench_models.ha_gan.adversarial import HaganTask
from medbench_models.ha_gan.checkpoint import MODEL, NETWORK, Description
from medbench_models.ha_gan.config import HaganConfig, Shape
from medbench_models.shared.fitting import Fitting, Weights
from medbench_models.shared.hierarchical import pyramid


class HaganFitting(Fitting[HaganConfig]):
    """Critic, generator and both encoders in turn, on volumes that are stretched where the preset has a cube."""

    model = MODEL
    stages = ("gan",)

    def __init__(self, preset: str, config: HaganConfig, request: FitRequest, *, device: str) -> None:
        super().__init__(preset, config, request, device=device)
        if config.cube is not None:
            self.cases = {name: stretched(cases, config.cube) for name, cases in self.cases.items()}

    def train(self, fabric: Fabric) -> tuple[Weights, Description]:
        """Train the networks; see ``Fitting``."""
        network, config = self.config.network, self.config.gan
        grids = pyramid(network, self.cases["train"][0].read_volume().shape)  # before any other volume is read
        volumes = self.volumes(fabric, smallest=(1, 1, 1))
        task = HaganTask(network, config, grids=grids, **volumes, seed=self.request.seed)
        for module in task.networks.values():
            module.to(memory_format=torch.channels_last_3d)  # quicker, on a CPU by a third
        trained = self.stage(task, "gan", config, {"network": network})
        given = self.request.train[0].read_volume().shape
        facts: dict[str, Any] = self.facts({"gan": trained})
        description = Description(
            **facts,
            network=network,
            scores={"select_energy": trained.scores["score"]},
            resized_from=None if given == facts["shape"] else given,
        )
        return {NETWORK: trained.weights}, description


def stretched(cases: Sequence[Case], shape: Shape) -> list[Case]:
    """Return cases whose volumes are stretched to a shape; their affines say to which spacing."""
    grid = Grid(shape=shape, fit="resize")

    def of(case: Case) -> Case:
        return replace(case, read_volume=lambda: to_grid(case.read_volume(), grid), read_label_map=None)

    return [of(case) for case in cases]
