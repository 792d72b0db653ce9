"""Training of GANs on slabs: networks that take turns, each with its own loss, on the same volumes and one slab.

Real and generated slabs begin at the same position of the features (in the public code of HA-GAN and its kin the real
one begins up to three voxels behind), and a batch may be a single volume.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn import functional

from medbench.training.averaging import Ema, descend, learning_rate, seeded, set_learning_rate
from medbench.training.chance import Chance
from medbench.training.gathering import gathered
from medbench.training.loop import Stateful
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.arrays import scaled
from medbench_models.shared.config import SlabGanConfig, SlabTrainingConfig
from medbench_models.shared.crops import random_start
from medbench_models.shared.energy import energy_distance
from medbench_models.shared.slab_gan.networks import REDUCTION, Pyramid, SlabGenerator

Network = TypeVar("Network", bound=SlabGanConfig)
Training = TypeVar("Training", bound=SlabTrainingConfig)

Loaded = tuple[torch.Tensor, int, dict[str, torch.Tensor]]

_BETAS = (0.0, 0.999)


@dataclass(frozen=True, eq=False)
class Drawn:
    """What an iteration trains on.

    Args:
        index: of the iteration.
        voxels: (n, 1, depth, height, width) in -1..1.
        first: voxel of the depth at which the slab begins.
        noise: (n, latent) for each network that asks the generator for samples, by the network's name.
    """

    index: int
    voxels: torch.Tensor
    first: int
    noise: Mapping[str, torch.Tensor]


class SlabGanTask(ABC, Generic[Network, Training]):
    """Training of several networks in turn; a subclass says which, at which rates, and with what losses.

    Args:
        network: the architecture.
        config: training settings.
        grids: of the volumes.
        train: (n, x, y, z) HU.
        select: (n, x, y, z) HU; the energy distance of samples from them chooses the weights.
        seed: of the initial weights, and of the noise in the validation, which is the same every time.
    """

    def __init__(
        self,
        network: Network,
        config: Training,
        *,
        grids: Pyramid,
        train: np.ndarray,
        select: np.ndarray,
        seed: int,
    ) -> None:
        self.network = network
        self.config = config
        self.grids = grids
        self.train = train
        self.select = reduced(as_images(scaled(select, network.window)))
        self.seed = seed
        with seeded(seed):
            self.networks = dict(self.fresh())

    model: ClassVar[str]  # registered name
    asking: ClassVar[tuple[str, ...]]  # the networks that ask the generator for samples of noise
    encoders: ClassVar[tuple[str, ...]]  # those whose turn need not come in every iteration

    @abstractmethod
    def fresh(self) -> Mapping[str, nn.Module]:
        """Return new networks by name, in the order of their turns; the weights of ``generator`` are kept."""

    @abstractmethod
    def rates(self) -> Mapping[str, float]:
        """Return the networks' highest learning rates."""

    @abstractmethod
    def loss(self, name: str, drawn: Drawn) -> torch.Tensor:
        """Return the loss of the network whose turn it is; the others' weights get no gradient."""

    def setup(self, fabric: Fabric) -> None:
        """Hand the networks and their optimisers to Fabric."""
        self.fabric = fabric
        self.nets: dict[str, Any] = {}
        self.optimisers: dict[str, Any] = {}
        for name, module in self.networks.items():
            optimiser = torch.optim.Adam(module.parameters(), lr=self.rates()[name], betas=_BETAS)
            self.nets[name], self.optimisers[name] = fabric.setup(module, optimiser)
        self.averaged = Ema(self.networks["generator"], self.config.ema_decay)

    def load(self, index: int, chance: Chance) -> Loaded:
        """Return what is random about a ``Drawn``: voxels, where the slab begins, and noise."""
        del index
        [samples] = chance.batches(self.config.batch)
        voxels = as_images(scaled(self.train[samples.integers(len(self.train)).numpy()], self.network.window))
        first = random_start(self.grids.room, align=REDUCTION, chance=samples.common)
        return voxels, first, {name: samples.normal(self.network.latent) for name in self.asking}

    def step(self, index: int, loaded: Loaded) -> Mapping[str, torch.Tensor]:
        """Let the networks take their turns on a batch of random volumes."""
        config = self.config
        for name, rate in self.rates().items():
            set_learning_rate(self.optimisers[name], learning_rate(config.schedule, index, config.steps, peak=rate))
        drawn, resting = self.placed(index, loaded), self.encoders if index % config.encoder_every else ()
        losses = {name: self.turn(name, drawn) for name in self.networks if name not in resting}
        self.averaged.update(self.networks["generator"])
        return losses

    def turn(self, name: str, drawn: Drawn) -> torch.Tensor:
        """Make one step of a network; nothing is clipped."""
        for other, module in self.networks.items():
            module.requires_grad_(other == name)
        compute = partial(self.loss, name, drawn)
        return descend(self.fabric, self.nets[name], self.optimisers[name], [compute], clip_norm=math.inf)

    def placed(self, index: int, loaded: Loaded) -> Drawn:
        """Return what an iteration trains on, on the device."""
        voxels, first, noise = loaded
        device = self.fabric.device
        given = {name: value.to(device, non_blocking=True) for name, value in noise.items()}
        return Drawn(index, voxels.to(device, non_blocking=True), first, given)

    def slab(self, drawn: Drawn) -> torch.Tensor:
        """Return the slab of the real volumes."""
        return drawn.voxels[:, :, drawn.first : drawn.first + self.grids.slab[0]]

    def far_from(self, made: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """Return the energy distance of what was made (n, d) from what is real (n, d), each over all processes."""
        return energy_distance(gathered(made), gathered(real))

    def restoring_slabs(self, drawn: Drawn) -> torch.Tensor:
        """Return the loss of the encoder: the mean magnitude of what slabs lose on their way to features and back."""
        slab = self.slab(drawn)
        features = self.nets["encoder"](slab)
        with self.fabric.autocast():
            restored = self.networks["generator"].detail(features)
        return functional.l1_loss(restored.float(), slab)

    def validate(self) -> Mapping[str, float]:
        """Return as ``score`` how far as many samples lie from the selection volumes."""
        return {"score": float(energy_distance(self.samples(len(self.select)), self.select))}

    def samples(self, count: int) -> torch.Tensor:
        """Return whole samples of the averaged weights, reduced; the same noise every time."""
        generator = self.averaged.applied_to(self.networks["generator"])
        noise = torch.randn(count, self.network.latent, generator=Chance(self.seed, -1).common())
        return torch.cat([self.sampled(generator, one) for one in noise.to(self.fabric.device).split(1)])

    @torch.no_grad()
    def sampled(self, generator: nn.Module, noise: torch.Tensor) -> torch.Tensor:
        """Return what a generator makes of noise, whole, reduced, on the CPU."""
        assert isinstance(generator, SlabGenerator)
        with self.fabric.autocast():
            return reduced(generator.volume(noise).float()).cpu()

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the averaged weights of what sampling needs of the generator."""
        generator = self.averaged.applied_to(self.networks["generator"])
        assert isinstance(generator, SlabGenerator)
        return generator.sampled_state()

    def state(self) -> Mapping[str, Stateful]:
        """Return networks, with what their spectral norms keep, optimisers and averages."""
        optimisers = {f"{name}_optimiser": optimiser for name, optimiser in self.optimisers.items()}
        return {**self.networks, **optimisers, "averaged": self.averaged}


def as_images(volumes: torch.Tensor) -> torch.Tensor:
    """Return arrays (n, c, x, y, z) as (n, c, z, y, x), or the other way round."""
    return volumes.permute(0, 1, 4, 3, 2)


def reduced(images: torch.Tensor) -> torch.Tensor:
    """Return the means over blocks of images (n, 1, depth, height, width), a row each."""
    return functional.avg_pool3d(images, REDUCTION).flatten(1)


def rehearse(task: SlabGanTask[Network, Training], fabric: Rehearsal | Fabric) -> None:
    """Take a step of a training and make one sample of its validation, on empty volumes.

    Args:
        task: made with ``nothing_of``.
        fabric: a rehearsal, to predict the memory that it takes, or the real one, to measure it.
    """
    batch, size, latent = task.config.batch, task.grids.volume, task.network.latent
    noise = {name: torch.zeros(batch, latent, device=fabric.device) for name in task.asking}
    task.setup(fabric)
    task.step(0, (torch.zeros(batch, 1, *size, device=fabric.device), 0, noise))
    generator = task.networks["generator"]
    copied = [torch.empty_like(value) for value in generator.parameters()]  # a validation's, with averaged weights
    task.sampled(generator, torch.zeros(1, latent, device=fabric.device))
    del copied


def nothing_of(grids: Pyramid) -> np.ndarray:
    """Return no volumes of a shape, to make a task of that trains on none."""
    return np.empty((0, *reversed(grids.volume)), np.int16)
