"""VQ-Trans's networks: the VQ-VAE is ``shared.vqvae.Vqvae``; the transformer begins with positions that mean places."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from medbench_models.vq_trans.config import NetworkConfig
from medbench_models.vq_trans.transformer import Transformer


def build_transformer(config: NetworkConfig, shape: Sequence[int]) -> Transformer:
    """Return the transformer for volumes of a shape (x, y, z).

    Its position embeddings, which are learnt, begin as waves along the three axes (upstream: as chance has it), so that
    neighbours in y and x, a row and a plane earlier in the sequence, look alike from the first step; its token
    embeddings begin smaller than upstream's.
    """
    architecture = config.transformer
    transformer = Transformer(
        config.num_tokens,
        config.max_seq_len(shape),
        dim=architecture.dim,
        depth=architecture.depth,
        heads=architecture.heads,
    )
    with torch.no_grad():
        transformer.token_embeddings.weight.mul_(_TOKEN_DEVIATION)
        transformer.position_embeddings.embedding.weight.copy_(axis_waves(config.latent(shape), architecture.dim))
    return transformer


# With both at 1, as PyTorch begins, a tiny transformer needs more than twice the steps.
_TOKEN_DEVIATION = 0.3
_AMPLITUDE = 0.5


def axis_waves(shape: Sequence[int], dim: int) -> torch.Tensor:
    """Return the first position embeddings (x y z, dim), in raster order: a third of the channels an axis.

    An axis of s positions has waves of 2 to 2 s positions a period, as sine and cosine; channels left over are 0.

    >>> axis_waves((4, 4, 2), 12).shape
    torch.Size([32, 12])
    """
    count = dim // (2 * len(shape))  # waves an axis
    parts = []
    for size, place in zip(shape, torch.meshgrid(*(torch.arange(size) for size in shape), indexing="ij")):
        frequencies = math.pi * float(max(2, size)) ** (-torch.arange(count) / max(1, count - 1))
        angles = place.reshape(-1, 1) * frequencies
        parts += [angles.sin(), angles.cos()]
    waves = _AMPLITUDE * torch.cat(parts, dim=1)
    return functional.pad(waves, (0, dim - waves.shape[1]))
