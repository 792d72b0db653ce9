"""Settings of what generators share; what is left out is as in the public code of MedLoRD, where it has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeVar

from pydantic import Field, PositiveFloat, PositiveInt

from medbench.errors import SpecError
from medbench.spec import Spec, Window
from medbench.training import Precision

RateSchedule = Literal["constant", "cosine", "exponential", "quadratic"]
Config = TypeVar("Config")


def preset_of(model: str, presets: Mapping[str, Config], name: str) -> Config:
    """Return a model's preset.

    Raises:
        SpecError: there is none of that name.
    """
    if name not in presets:
        raise SpecError(f"{model} has no preset {name!r}: choose one of {', '.join(presets)}")
    return presets[name]


class VqvaeConfig(Spec):
    """Architecture of a VQ-VAE: each level halves every axis."""

    channels: tuple[int, ...]
    res_layers: int
    codebook_size: int
    codebook_dim: int = 8
    commitment: float = 0.25
    decay: float = 0.95
    epsilon: float = 1e-5

    @property
    def factor(self) -> int:
        """Voxels of one latent position along each axis."""
        return int(2 ** len(self.channels))


class GanConfig(Spec):
    """Training of an autoencoder as a GAN: L1 + mse + spectral + perceptual + adversarial, of images in -1..1.

    The adversarial term ramps up from ``adversarial_from`` on over ``adversarial_ramp``, both shares of the steps.

    Args:
        steps: optimiser steps.
        batch: crops in each forward pass.
        accumulate: forward passes in each optimiser step.
        crop: voxels.
        centred: draw crops towards the volume's middle instead of evenly.
        augment: rotate by up to 5 degrees about each axis (probability 0.2) and flip axis 1 (probability 0.5).
        rate: AdamW's learning rate; ``discriminator_rate`` that of the discriminator.
        schedule: of the learning rate.
        checkpointing: compute activations again in the backward pass instead of keeping them.
        precision: of the networks' arithmetic.
    """

    steps: PositiveInt
    batch: PositiveInt
    accumulate: PositiveInt = 1
    crop: tuple[int, int, int]
    centred: bool = False
    augment: bool = False
    rate: PositiveFloat
    schedule: RateSchedule = "constant"
    mse_weight: float = 0.0
    spectral_weight: float
    perceptual_weight: float
    adversarial_from: float = 0.0
    adversarial_ramp: float
    adversarial_weight: float
    discriminator_channels: int = 64
    discriminator_layers: int = 3
    discriminator_rate: PositiveFloat
    checkpointing: bool = False
    precision: Precision = "16-mixed"


class VqganConfig(GanConfig):
    """Training of a VQ-VAE as a GAN, with the commitment loss.

    The first ``quantise_from`` share of the steps trains without quantisation, then k-means on the encoder's output
    makes the codebook (0: quantised from the first step, with random codes). Dead codes are restarted until
    ``restart_until`` (0: never).
    """

    quantise_from: float = 0.0
    restart_until: float = 0.0


class KlganConfig(GanConfig):
    """Training of a KL autoencoder as a GAN.

    Args:
        kl_weight: of the divergence from the standard normal distribution, summed over a latent.
    """

    kl_weight: float = 1e-7


class DiffusionConfig(Spec):
    """Training of a network that denoises, or of one that steers it.

    Args:
        steps: optimiser steps.
        batch: examples in each forward pass.
        accumulate: forward passes in each optimiser step.
        rate: AdamW's learning rate.
        schedule: of the learning rate.
        loss: between what is predicted and what is true.
        ema_decay: of the averaged weights, which are kept.
        mask_dropout: chance with which each mask channel of a batch is emptied, where masks steer.
        checkpointing: compute activations again in the backward pass instead of keeping them.
        precision: of the networks' arithmetic.
    """

    steps: PositiveInt
    batch: PositiveInt
    accumulate: PositiveInt = 1
    rate: PositiveFloat
    schedule: RateSchedule = "exponential"
    loss: Literal["l1", "smooth_l1", "mse"]
    ema_decay: float = 0.999
    mask_dropout: float = 0.0
    checkpointing: bool = False
    precision: Precision = "16-mixed"


class SamplingConfig(Spec):
    """How samples are drawn.

    Args:
        sampler: ``ddim``, ``dpm`` (DPM-Solver++), or ``ddpm`` through every time step; see ``samplers``.
        steps: network evaluations of ``ddim`` and ``dpm``.
    """

    sampler: Literal["ddim", "dpm", "ddpm"]
    steps: PositiveInt


class SlabGanConfig(Spec):
    """Architecture of a GAN that trains on slabs; see ``slab_gan``.

    Args:
        latent: numbers of the noise.
        widths: channels after each convolution of the trunk (five) and after the head's first.
        doublings: of the trunk, 1 to 4; the head doubles twice more.
        slabs: how many of them a volume's depth makes.
        critic_width: channels of the critic's widest layer.
        classes: labels that steer the generator and that the critic recognises; 0: none.
        window: of the HU.
    """

    latent: int = 1024
    widths: tuple[int, int, int, int, int, int] = (512, 512, 256, 128, 64, 32)
    doublings: int = Field(4, ge=1, le=4)
    slabs: int = 8
    critic_width: int = 512
    classes: int = 0
    window: Window = Window(low=-1024, high=600)

    @property
    def feature_width(self) -> int:
        """Channels of the features between trunk and head."""
        return self.widths[4]


class SlabTrainingConfig(Spec):
    """Training of such a GAN; what is left out is as in the public code of HA-GAN.

    Args:
        steps: iterations, in each of which every network takes its turn.
        batch: volumes.
        rate: Adam's learning rate of the generator, ``critic_rate`` of the critic, ``encoder_rate`` of encoders.
        encoder_every: iterations between two turns of the encoders.
        schedule: of the learning rates.
        energy_weight: of the energy distance of generated from real volumes at low resolution, against mode collapse.
        ema_decay: of the averaged weights, which are kept; 0: the weights as they are.
        precision: of the networks' arithmetic.
    """

    steps: PositiveInt = 80_000
    batch: PositiveInt = 4
    rate: PositiveFloat = 1e-4
    critic_rate: PositiveFloat = 4e-4
    encoder_rate: PositiveFloat = 1e-4
    encoder_every: int = 1
    schedule: RateSchedule = "constant"
    energy_weight: float = 0.0
    ema_decay: float = 0.0
    precision: Precision = "32-true"


class SlabPreset(Spec):
    """A preset of such a GAN.

    Args:
        network: the architecture.
        gan: its training.
        cube: voxels (x, y, z) that volumes are stretched to before anything else; None: they stay as they are.
        follows: what it takes from where.
    """

    network: SlabGanConfig
    gan: SlabTrainingConfig
    cube: tuple[int, int, int] | None
    follows: str
