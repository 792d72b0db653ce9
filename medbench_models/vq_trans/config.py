"""VQ-Trans's configurations: architecture, training and sampling settings, by preset."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field, PositiveFloat, PositiveInt

from medbench.spec import Spec, Window
from medbench.training import Precision
from medbench_models.shared.config import RateSchedule, VqganConfig, VqvaeConfig


class TransformerConfig(Spec):
    """Architecture of the transformer; see ``transformer.Transformer``."""

    dim: int
    depth: int
    heads: int


class NetworkConfig(Spec):
    """All that a checkpoint's weights depend on, besides its shape; a checkpoint with another one is refused.

    Args:
        vqvae: architecture of the VQ-VAE.
        transformer: architecture of the transformer.
        shape: voxels (x, y, z) to which training volumes are resampled over their field of view; None: as they are.
        window: of the HU.
    """

    vqvae: VqvaeConfig
    transformer: TransformerConfig
    shape: tuple[int, int, int] | None = None
    window: Window = Window()

    @property
    def begin(self) -> int:
        """The token that begins a sequence: the number after the last code."""
        return self.vqvae.codebook_size

    @property
    def num_tokens(self) -> int:
        """Size of the vocabulary: the codes and the token that begins a sequence."""
        return self.vqvae.codebook_size + 1

    def latent(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the latent positions (x, y, z) of volumes of a shape."""
        return tuple(size // self.vqvae.factor for size in shape)

    def max_seq_len(self, shape: Sequence[int]) -> int:
        """Return how many tokens stand for a volume of a shape, the beginning not counted."""
        return math.prod(self.latent(shape))


class SequenceConfig(Spec):
    """Training of the transformer by cross-entropy.

    Args:
        steps: optimiser steps.
        batch: sequences in each forward pass.
        accumulate: forward passes in each optimiser step.
        rate: AdamW's learning rate.
        schedule: of the learning rate.
        ema_decay: of the averaged weights, which are kept.
        checkpointing: compute activations again in the backward pass instead of keeping them.
        precision: of the network's arithmetic.
    """

    steps: PositiveInt
    batch: PositiveInt
    accumulate: PositiveInt = 1
    rate: PositiveFloat
    schedule: RateSchedule = "constant"
    ema_decay: float = 0.999
    checkpointing: bool = False
    precision: Precision = "16-mixed"


class SamplingConfig(Spec):
    """How tokens are drawn.

    Args:
        temperature: logits are divided by it.
        top_k: only so many of the likeliest tokens are drawn; None: all.
    """

    temperature: float = Field(1.0, gt=0.0)
    top_k: int | None = Field(None, gt=0)


class VqTransConfig(Spec):
    """A preset."""

    network: NetworkConfig
    stage1: VqganConfig
    stage2: SequenceConfig
    sampling: SamplingConfig
    follows: str
