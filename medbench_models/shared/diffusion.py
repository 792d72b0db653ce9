"""Training of a network that denoises, by any schedule and prediction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional

from medbench.training.averaging import Ema, descend, learning_rate, set_learning_rate
from medbench.training.loop import Stateful, step_chance
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.config import DiffusionConfig
from medbench_models.shared.schedules import Schedule, add_noise, target

_VALIDATION_ROUNDS = 4
_LOSSES = {"l1": functional.l1_loss, "smooth_l1": functional.smooth_l1_loss, "mse": functional.mse_loss}


class Examples(Protocol):
    """What a network is trained to denoise; see ``codes.Latents``."""

    def __len__(self) -> int:
        """Return how many there are."""

    def clean(self, rows: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        """Return some of them (n, ...)."""

    def conditions(self, rows: torch.Tensor, chance: torch.Generator) -> tuple[torch.Tensor, ...]:
        """Return what else the network is given of them."""


class DiffusionTask:
    """Training of a denoising network.

    Args:
        network: takes noisy examples, times and the examples' conditions.
        config: training settings.
        train: examples.
        select: examples; their loss with averaged weights and fixed noise chooses the weights.
        schedule: of the noise.
        seed: of the validation's noise.
    """

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
        self.config = config
        self.train = train
        self.select = select
        self.seed = seed
        self.schedule = schedule
        self.network = network

    def setup(self, fabric: Fabric) -> None:
        """Hand the network and its optimiser to Fabric."""
        self.fabric = fabric
        optimiser = torch.optim.AdamW(self.network.parameters(), lr=self.config.rate)
        self.net, self.optimiser = fabric.setup(self.network, optimiser)
        self.ema = Ema(self.network, self.config.ema_decay)

    def step(self, index: int, chance: torch.Generator) -> Mapping[str, torch.Tensor]:
        """Train on one batch of examples, in several passes where they accumulate, at random times."""
        config = self.config
        set_learning_rate(self.optimiser, learning_rate(config.schedule, index, config.steps, peak=config.rate))

        def compute() -> torch.Tensor:
            rows = torch.randint(len(self.train), (config.batch,), generator=chance)
            return self._loss(self.net, self.train, rows, chance)

        loss = descend(self.fabric, self.net, self.optimiser, [compute] * config.accumulate)
        self.ema.update(self.network)
        return {config.loss: loss}

    def validate(self) -> Mapping[str, float]:
        """Return the averaged weights' loss on the selection examples with noise that is the same every time."""
        chance = step_chance(self.seed, -1)
        averaged = self.ema.applied_to(self.network)
        rows = torch.arange(len(self.select))
        with torch.no_grad(), self.fabric.autocast():
            losses = [
                float(self._loss(averaged, self.select, part, chance))
                for _ in range(_VALIDATION_ROUNDS)
                for part in rows.split(self.config.batch)
            ]
        return {"score": float(np.mean(losses))}

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the averaged weights."""
        return dict(self.ema.applied_to(self.network).state_dict())

    def state(self) -> Mapping[str, Stateful]:
        """Return network, optimiser and averages."""
        return {"network": self.network, "optimiser": self.optimiser, "ema": self.ema}

    def _loss(
        self, network: nn.Module, examples: Examples, rows: torch.Tensor, chance: torch.Generator
    ) -> torch.Tensor:
        clean = examples.clean(rows, chance)
        times = self.schedule.random_times(len(clean), chance)
        noise = torch.randn(clean.shape, generator=chance)
        noisy = add_noise(self.schedule, clean, noise, times)
        wanted = target(self.schedule, clean, noise, times)
        conditions = examples.conditions(rows, chance)
        predicted = network(*self._placed(noisy, times, *conditions))
        return _LOSSES[self.config.loss](predicted.float(), *self._placed(wanted))

    def _placed(self, *tensors: torch.Tensor) -> Iterable[torch.Tensor]:
        return [tensor.to(self.fabric.device) for tensor in tensors]


@dataclass(frozen=True, eq=False)
class _Empty:
    """Takes the place of training examples: tensors of their shapes."""

    shape: Sequence[int]
    others: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return 1

    def clean(self, rows: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        del chance
        return torch.zeros(len(rows), *self.shape)

    def conditions(self, rows: torch.Tensor, chance: torch.Generator) -> tuple[torch.Tensor, ...]:
        del chance
        return tuple(torch.zeros(len(rows), *shape) for shape in self.others)


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
    task.step(config.steps - 1, torch.Generator())
