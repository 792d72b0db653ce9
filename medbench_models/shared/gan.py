"""An autoencoder trained as a GAN on random crops: what is alike whatever lies between its encoder and its decoder."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from lightning_fabric import Fabric
from monai.networks.nets import PatchDiscriminator
from torch.nn import functional

from medbench.errors import DataError
from medbench.features.lpips_network import LpipsNetwork
from medbench.spec import Window
from medbench.training.averaging import descend, learning_rate, set_learning_rate
from medbench.training.chance import Chance, Samples
from medbench.training.loop import Stateful
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.arrays import scaled
from medbench_models.shared.config import GanConfig
from medbench_models.shared.crops import augmented, random_crops
from medbench_models.shared.losses import PerceptualLoss, adversarial_loss, psnr, spectral_loss

Config = TypeVar("Config", bound=GanConfig)

Loaded = tuple[Chance, list[tuple[Samples, torch.Tensor]]]

_BETAS = (0.9, 0.99)


@dataclass(frozen=True, eq=False)
class Seen:
    """What a forward pass saw, made and lost."""

    image: torch.Tensor
    reconstruction: torch.Tensor
    losses: dict[str, torch.Tensor]


def build_discriminator(config: GanConfig) -> PatchDiscriminator:
    """Return the patch discriminator."""
    return PatchDiscriminator(
        spatial_dims=3,
        in_channels=1,
        channels=config.discriminator_channels,
        num_layers_d=config.discriminator_layers,
        norm="INSTANCE",
    )


class GanTask(ABC, Generic[Config]):
    """Training of an autoencoder; see ``GanConfig``. A subclass says how an image passes it, and adds its own losses.

    Args:
        autoencoder: what is trained.
        config: training settings.
        window: of the HU.
        train: (n, x, y, z) HU.
        select: (n, x, y, z) HU; whole volumes choose the weights, by PSNR.
        perceptual: the perceptual loss of images, reconstructions and their chance; None where it weighs nothing.
    """

    align: int  # crops start at multiples of this

    def __init__(
        self,
        autoencoder: torch.nn.Module,
        config: Config,
        *,
        window: Window,
        train: np.ndarray,
        select: np.ndarray,
        perceptual: torch.nn.Module | None,
    ) -> None:
        self.autoencoder = autoencoder
        self.config = config
        self.discriminator = self.build_critic()
        self.window = window
        self.train = train
        self.select = scaled(select, window)
        self.perceptual = perceptual

    @abstractmethod
    def passed(
        self, image: torch.Tensor, chance: Samples
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, float]]:
        """Return the reconstruction of crops, the losses of what lies between, and what these weigh."""

    @abstractmethod
    def through(self, image: torch.Tensor) -> torch.Tensor:
        """Return a whole image (1, 1, x, y, z) in -1..1 after the autoencoder, as it is sampled with."""

    def build_critic(self) -> torch.nn.Module:
        """Return what judges images: a patch discriminator, unless a subclass has others."""
        return build_discriminator(self.config)

    def taught(self, image: torch.Tensor, reconstruction: torch.Tensor, chance: Samples) -> dict[str, torch.Tensor]:
        """Return what the autoencoder learns from the critic of a reconstruction: losses of one common weight."""
        del image, chance
        return {"adversarial": adversarial_loss(self.critic(reconstruction)[-1], real=True)}

    def judged(self, made: Seen, chance: Samples) -> torch.Tensor:
        """Return the critic's loss on crops and what was made of them."""
        del chance
        fake, real = self.critic(torch.cat([made.reconstruction, made.image]))[-1].chunk(2)
        return 0.5 * (adversarial_loss(real, real=True) + adversarial_loss(fake, real=False))

    def prepare(self, index: int, chance: Chance) -> None:
        """Do what a step needs before it."""

    def tend(self, index: int, image: torch.Tensor, chance: Chance) -> None:
        """Do what a step leaves to be done, with the crops that it saw last."""

    def setup(self, fabric: Fabric) -> None:
        """Hand both networks and their optimisers to Fabric."""
        self.fabric = fabric
        parameters = [value for value in self.autoencoder.parameters() if value.requires_grad]
        optimiser = torch.optim.AdamW(parameters, lr=self.config.rate, betas=_BETAS)
        critic_optimiser = torch.optim.AdamW(self.discriminator.parameters(), lr=self.config.discriminator_rate)
        self.net, self.optimiser = fabric.setup(self.autoencoder, optimiser)
        self.critic, self.critic_optimiser = fabric.setup(self.discriminator, critic_optimiser)
        if self.perceptual is not None:
            fabric.to_device(self.perceptual)

    def load(self, index: int, chance: Chance) -> Loaded:
        """Return the step's chance, and its crops in each pass with theirs."""
        del index
        batches = chance.batches(self.config.batch, self.config.accumulate)
        return chance, [(samples, self.batch(samples)) for samples in batches]

    def step(self, index: int, loaded: Loaded) -> Mapping[str, torch.Tensor]:
        """Train the autoencoder on crops and, in the adversarial phase, the discriminator on the same ones after it."""
        config, (chance, batches) = self.config, loaded
        self.prepare(index, chance)
        set_learning_rate(self.optimiser, learning_rate(config.schedule, index, config.steps, peak=config.rate))
        weight = self._adversarial_weight(index)
        self.discriminator.requires_grad_(False)
        passes: list[Seen] = []
        generate = [functools.partial(self._generator_loss, weight, *batch, passes) for batch in batches]
        descend(self.fabric, self.net, self.optimiser, generate)
        losses = {name: torch.stack([one.losses[name] for one in passes]).mean() for name in passes[0].losses}
        if weight > 0.0:
            self.discriminator.requires_grad_(True)
            judge = [functools.partial(self.judged, one, samples) for one, (samples, _) in zip(passes, batches)]
            losses["discriminator"] = descend(self.fabric, self.critic, self.critic_optimiser, judge)
        self.tend(index, passes[-1].image, chance)
        return losses

    def _generator_loss(self, weight: float, chance: Samples, crops: torch.Tensor, passes: list[Seen]) -> torch.Tensor:
        config = self.config
        image = self.placed(crops, chance)
        reconstruction, between, weigh = self.passed(image, chance)
        losses = {
            "l1": functional.l1_loss(reconstruction, image),
            "mse": functional.mse_loss(reconstruction, image),
        }
        weights = {"l1": 1.0, "mse": config.mse_weight, "spectral": config.spectral_weight, **weigh}
        if config.spectral_weight > 0.0:
            losses["spectral"] = spectral_loss(reconstruction, image)
        losses |= between
        if self.perceptual is not None:
            losses["perceptual"] = self.perceptual(reconstruction, image, chance)
            weights["perceptual"] = config.perceptual_weight
        if weight > 0.0:
            with self.fabric.no_backward_sync(self.critic):  # its own weights get no gradient here
                taught = self.taught(image, reconstruction, chance)
            losses |= taught
            weights |= dict.fromkeys(taught, weight)
        detached = {name: value.detach() for name, value in losses.items()}
        passes.append(Seen(image, reconstruction.detach(), detached))
        total: torch.Tensor = sum(weights[name] * losses[name] for name in losses)
        return total

    def validate(self) -> Mapping[str, float]:
        """Return the mean PSNR (dB) on whole selection volumes, in the precision of training; the score is minus it."""
        self.autoencoder.eval()
        with torch.no_grad(), self.fabric.autocast():
            batches = (batch.to(self.fabric.device) for batch in self.select.split(1))
            mean = float(torch.cat([psnr(self.through(batch), batch) for batch in batches]).mean())
        self.autoencoder.train()
        return {"score": -mean, "psnr": mean}

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the autoencoder's state."""
        return dict(self.autoencoder.state_dict())

    def state(self) -> Mapping[str, Stateful]:
        """Return both networks and optimisers."""
        return {
            "autoencoder": self.autoencoder,
            "discriminator": self.discriminator,
            "optimiser": self.optimiser,
            "critic_optimiser": self.critic_optimiser,
        }

    def batch(self, chance: Samples) -> torch.Tensor:
        """Return random crops (n, 1, x, y, z) in -1..1, on the CPU."""
        config = self.config
        crops = random_crops(self.train, config.crop, align=self.align, centred=config.centred, chance=chance)
        return scaled(crops, self.window)

    def placed(self, crops: torch.Tensor, chance: Samples) -> torch.Tensor:
        """Return crops on the device, augmented there."""
        image = crops.to(self.fabric.device, non_blocking=True)
        return augmented(image, chance) if self.config.augment else image

    def _adversarial_weight(self, index: int) -> float:
        config = self.config
        progress = (index / config.steps - config.adversarial_from) / config.adversarial_ramp
        return config.adversarial_weight * min(1.0, max(0.0, progress))


def require_crops(config: GanConfig, shape: Sequence[int]) -> None:
    """Check that a training's crops fit into volumes of a shape.

    Raises:
        DataError: they are larger.
    """
    if any(size < least for size, least in zip(shape, config.crop)):
        size, needed = ("x".join(map(str, one)) for one in (shape, config.crop))
        raise DataError(f"volumes of {size} voxels are too small: this preset's crops are {needed}")


def rehearse(task: GanTask[Config], fabric: Rehearsal | Fabric) -> None:
    """Take the heaviest step of a training, the last, with every loss, on empty crops.

    Args:
        task: made with ``nothing_of`` and ``unweighted_perceptual``.
        fabric: a rehearsal, to predict the memory that it takes, or the real one, to measure it.
    """
    config = task.config
    task.batch = lambda chance: torch.zeros(len(chance), 1, *config.crop, device=fabric.device)
    task.setup(fabric)
    index = config.steps - 1
    task.step(index, task.load(index, Chance(0, index)))


def nothing_of(config: GanConfig) -> np.ndarray:
    """Return no volumes of the size of a crop, to make a task of that trains on none."""
    return np.empty((0, *config.crop), np.int16)


def unweighted_perceptual(config: GanConfig) -> PerceptualLoss | None:
    """Return the perceptual loss without its weights, which need not be here; None where it weighs nothing."""
    if config.perceptual_weight == 0.0:
        return None
    return PerceptualLoss(LpipsNetwork("squeeze"))
