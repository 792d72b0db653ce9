"""Training of one network whose averaged weights are kept: what is the same whatever its loss."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sized
from functools import partial
from typing import ClassVar, Generic, Protocol, TypeVar

import torch
from lightning_fabric import Fabric
from torch import nn

from medbench.training.averaging import Ema, descend, learning_rate, set_learning_rate
from medbench.training.chance import Chance, Samples
from medbench.training.loop import Stateful
from medbench_models.shared.config import RateSchedule

Examples = TypeVar("Examples", bound=Sized)


class AveragedConfig(Protocol):
    """What the settings of such a training hold; see ``DiffusionConfig``."""

    @property
    def steps(self) -> int:
        """Optimiser steps."""

    @property
    def batch(self) -> int:
        """Examples in each forward pass."""

    @property
    def accumulate(self) -> int:
        """Forward passes in each optimiser step."""

    @property
    def rate(self) -> float:
        """AdamW's learning rate."""

    @property
    def schedule(self) -> RateSchedule:
        """Of the learning rate."""

    @property
    def ema_decay(self) -> float:
        """Of the averaged weights."""


class AveragedTask(ABC, Generic[Examples]):
    """Training of a network on random examples; a subclass computes the loss.

    Args:
        network: what is trained.
        config: training settings.
        train: examples.
        select: examples; their loss with averaged weights chooses the weights.
        seed: of the chance in the validation, which is the same every time.
    """

    logged: str = "loss"
    validation_rounds: ClassVar[int] = 1

    def __init__(
        self, network: nn.Module, config: AveragedConfig, *, train: Examples, select: Examples, seed: int
    ) -> None:
        self.network = network
        self.config = config
        self.train = train
        self.select = select
        self.seed = seed

    @abstractmethod
    def drawn(self, examples: Examples, rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor, ...]:
        """Return some examples with all that is random about their loss, on the CPU.

        Args:
            examples: of training or selection.
            rows: which of them.
            chance: of each of them.
        """

    @abstractmethod
    def loss(self, network: nn.Module, drawn: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Return the mean loss of what ``drawn`` has returned.

        Args:
            network: the trained one or the averaged one.
            drawn: on the device.
        """

    def setup(self, fabric: Fabric) -> None:
        """Hand the network and its optimiser to Fabric."""
        self.fabric = fabric
        optimiser = torch.optim.AdamW(self.network.parameters(), lr=self.config.rate)
        self.net, self.optimiser = fabric.setup(self.network, optimiser)
        self.ema = Ema(self.network, self.config.ema_decay)

    def load(self, index: int, chance: Chance) -> list[tuple[torch.Tensor, ...]]:
        """Return the random examples of each pass."""
        del index
        batches = chance.batches(self.config.batch, self.config.accumulate)
        return [self.drawn(self.train, samples.integers(len(self.train)), samples) for samples in batches]

    def step(self, index: int, loaded: list[tuple[torch.Tensor, ...]]) -> Mapping[str, torch.Tensor]:
        """Train on one batch of random examples, in several passes where they accumulate."""
        config = self.config
        set_learning_rate(self.optimiser, learning_rate(config.schedule, index, config.steps, peak=config.rate))

        def compute(drawn: tuple[torch.Tensor, ...]) -> torch.Tensor:
            return self.loss(self.net, self.placed(drawn))

        loss = descend(self.fabric, self.net, self.optimiser, [partial(compute, drawn) for drawn in loaded])
        self.ema.update(self.network)
        return {self.logged: loss}

    def validate(self) -> Mapping[str, float]:
        """Return the averaged weights' loss on the selection examples."""
        averaged = self.ema.applied_to(self.network).eval()
        count, losses = len(self.select), []
        with torch.no_grad(), self.fabric.autocast():
            for number in range(self.validation_rounds):
                chance = Chance(self.seed, -1, use=f"round {number}")
                for first in range(0, count, self.config.batch):
                    places = range(first, min(first + self.config.batch, count))
                    samples = chance.samples(places, total=count)
                    drawn = self.drawn(self.select, torch.tensor(places), samples)
                    losses.append(len(places) / count * float(self.loss(averaged, self.placed(drawn))))
        return {"score": sum(losses) / self.validation_rounds}

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the averaged weights."""
        return dict(self.ema.applied_to(self.network).state_dict())

    def state(self) -> Mapping[str, Stateful]:
        """Return network, optimiser and averages."""
        return {"network": self.network, "optimiser": self.optimiser, "ema": self.ema}

    def placed(self, drawn: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        """Return tensors on the device."""
        return tuple(tensor.to(self.fabric.device, non_blocking=True) for tensor in drawn)
