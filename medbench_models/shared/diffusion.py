"""Training of a network that denoises, by any schedule and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional

from medbench.training.chance import Chance, Samples
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.averaged import AveragedTask
from medbench_models.shared.config import DiffusionConfig
from medbench_models.shared.schedules import Schedule, add_noise, target

_LOSSES = {"l1": functional.l1_loss, "smooth_l1": functional.smooth_l1_loss, "mse": functional.mse_loss}


class Examples(Protocol):
    """What a network is trained to denoise; see ``codes.Latents``."""

    def __len__(self) -> int:
        """Return how many there are."""

    def clean(self, rows: torch.Tensor, chance: Samples) -> torch.Tensor:
        """Return some of them (n, ...)."""

    def conditions(self, rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor, ...]:
        """Return what else there is of them, small enough to be read and sent to a device in each step."""

    def told(self, *conditions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the conditions as the network is given them, made on their device."""


class DiffusionTask(AveragedTask[Examples]):
    """Training of a denoising network.

    Args:
        network: takes noisy examples, times and the examples' conditions.
        config: training settings.
        train: examples.
        select: examples; their loss with averaged weights and fixed noise chooses the weights.
        schedule: of the noise.
        seed: of the validation's noise.
    """

    validation_rounds = 4

    def __init__(
        self,
        network: nn.Module,
        config: DiffusionConfig,
        *,
        train: Examples,
        select: Examples,
        schedule: Schedule,
        seed: int,
    ) -> None:
        super().__init__(network, config, train=train, select=select, seed=seed)
        self.logged = config.loss
        self.schedule = schedule

    def drawn(self, examples: Examples, rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor, ...]:
        """Return what the network has to predict, the noisy examples, their random times and their conditions."""
        clean = examples.clean(rows, chance)
        times = self.schedule.random_times(chance)
        noise = chance.normal(*clean.shape[1:])
        noisy = add_noise(self.schedule, clean, noise, times)
        wanted = target(self.schedule, clean, noise, times)
        return wanted, noisy, times, *examples.conditions(rows, chance)

    def loss(self, network: nn.Module, drawn: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Return the loss of the network's prediction."""
        wanted, noisy, times, *conditions = drawn
        predicted = network(noisy, times, *self.train.told(*conditions))
        return _LOSSES[self.logged](predicted.float(), wanted)


@dataclass(frozen=True, eq=False)
class _Empty:
    """Takes the place of training examples: tensors of their shapes."""

    shape: Sequence[int]
    others: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return 1

    def clean(self, rows: torch.Tensor, chance: Samples) -> torch.Tensor:
        del chance
        return torch.zeros(len(rows), *self.shape)

    def conditions(self, rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor, ...]:
        del chance
        return tuple(torch.zeros(len(rows), *shape) for shape in self.others)

    def told(self, *conditions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return conditions


def step_diffusion(
    network: torch.nn.Module,
    config: DiffusionConfig,
    schedule: Schedule,
    fabric: Rehearsal | Fabric,
    *,
    shape: Sequence[int],
    conditions: Sequence[Sequence[int]] = (),
) -> None:
    """Take a step of a denoising network on empty examples.

    Args:
        network: what is trained.
        config: training settings.
        schedule: of the noise.
        fabric: a rehearsal, or the real one to measure.
        shape: of an example, like (c, x, y, z).
        conditions: shapes of what else the network is given.
    """
    examples = _Empty(shape, conditions)
    task = DiffusionTask(network, config, train=examples, select=examples, schedule=schedule, seed=0)
    task.setup(fabric)
    index = config.steps - 1
    loaded = task.load(index, Chance(0, index))
    task.step(index, loaded[:1] * len(loaded))  # only one pass' examples are on the device at a time
