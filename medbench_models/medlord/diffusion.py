"""Stages 2 and 3: training by v-prediction on the scaled latents, of the U-Net or of a ControlNet that steers it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric
from monai.networks.nets import DiffusionModelUNet
from torch import nn
from torch.nn import functional

from medbench.training.averaging import Ema, learning_rate, set_learning_rate
from medbench.training.loop import Stateful, step_chance
from medbench_models.medlord.config import DiffusionConfig
from medbench_models.medlord.controlnet import ControlNet
from medbench_models.shared.conditions import one_hot
from medbench_models.shared.schedules import Schedule, add_noise, target

_CLIP_NORM = 1.0
_VALIDATION_ROUNDS = 4
_LOSSES = {"l1": functional.l1_loss, "smooth_l1": functional.smooth_l1_loss, "mse": functional.mse_loss}


@dataclass(frozen=True, eq=False)
class Latents:
    """Training examples of the U-Net: latents of volumes, kept as the numbers of their codes.

    Args:
        indices: (n, x, y, z) unsigned integers.
        codes: (codes, dim) float32, scaled.
    """

    indices: np.ndarray
    codes: torch.Tensor

    def __len__(self) -> int:
        return len(self.indices)

    def clean(self, rows: torch.Tensor) -> torch.Tensor:
        """Return some scaled latents (n, dim, x, y, z)."""
        return self.codes[torch.from_numpy(self.indices[rows.numpy()].astype(np.int64))].movedim(-1, 1)

    def conditions(self, rows: torch.Tensor, chance: torch.Generator) -> tuple[torch.Tensor, ...]:
        """Return nothing: the U-Net sees the latent alone."""
        del rows, chance
        return ()


@dataclass(frozen=True, eq=False)
class SteeredLatents:
    """Training examples of a ControlNet.

    Args:
        latents: of the volumes.
        labels: (n, factor x, factor y, factor z) uint8, 0 for none of the regions, i + 1 for region i.
        regions: how many regions there are.
        dropout: chance with which a region's channel is empty in a whole batch.
    """

    latents: Latents
    labels: np.ndarray
    regions: int
    dropout: float

    def __len__(self) -> int:
        return len(self.latents)

    def clean(self, rows: torch.Tensor) -> torch.Tensor:
        """Return some scaled latents (n, dim, x, y, z)."""
        return self.latents.clean(rows)

    def conditions(self, rows: torch.Tensor, chance: torch.Generator) -> tuple[torch.Tensor, ...]:
        """Return the masks (n, regions, ...) of some examples."""
        masks = one_hot(torch.from_numpy(self.labels[rows.numpy()]), self.regions)
        kept = torch.rand(self.regions, generator=chance) >= self.dropout
        return (masks * kept.view(1, -1, 1, 1, 1),)


Examples = Latents | SteeredLatents


class Steered(nn.Module):
    """A ControlNet with the frozen U-Net that it steers; its parameters are the ControlNet's alone."""

    def __init__(self, controlnet: ControlNet, unet: DiffusionModelUNet) -> None:
        super().__init__()
        self.controlnet = controlnet
        self._frozen = (unet.eval().requires_grad_(False),)  # in a tuple, it is no part of this module

    def forward(self, latent: torch.Tensor, steps: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Return the velocity of noisy latents (n, c, x, y, z) at time steps (n,), steered by masks."""
        return self.velocity(latent, steps, self.controlnet.embedding(masks))

    def velocity(self, latent: torch.Tensor, steps: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        """Return the velocity, steered by masks that were embedded before (see ``ControlNet.residuals``)."""
        [unet] = self._frozen
        residuals, middle = self.controlnet.residuals(latent, steps, embedded)
        velocity: torch.Tensor = unet(
            latent, steps, down_block_additional_residuals=tuple(residuals), mid_block_additional_residual=middle
        )
        return velocity


class DiffusionTask:
    """Training of a velocity network.

    Args:
        network: takes noisy latents, time steps and the examples' conditions.
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
        """Train on one batch of latents, in several passes where they accumulate, at random time steps."""
        config = self.config
        rate = learning_rate(config.schedule, index, config.steps, peak=config.rate)
        set_learning_rate(self.optimiser, rate)
        losses = []
        for number in range(config.accumulate):
            rows = torch.randint(len(self.train), (config.batch,), generator=chance)
            with self.fabric.no_backward_sync(self.net, enabled=number < config.accumulate - 1):
                loss = self._loss(self.net, self.train, rows, chance)
                self.fabric.backward(loss / config.accumulate)
            losses.append(loss.detach())
        self.fabric.clip_gradients(self.net, self.optimiser, max_norm=_CLIP_NORM)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.ema.update(self.network)
        return {config.loss: torch.stack(losses).mean()}

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
        clean = examples.clean(rows)
        times = self.schedule.random_times(len(clean), chance)
        noise = torch.randn(clean.shape, generator=chance)
        noisy = add_noise(self.schedule, clean, noise, times)
        conditions = examples.conditions(rows, chance)
        predicted = network(*self._placed(noisy, times, *conditions))
        [wanted] = self._placed(target(self.schedule, clean, noise, times))
        return _LOSSES[self.config.loss](predicted.float(), wanted)

    def _placed(self, *tensors: torch.Tensor) -> Iterable[torch.Tensor]:
        return [tensor.to(self.fabric.device) for tensor in tensors]
