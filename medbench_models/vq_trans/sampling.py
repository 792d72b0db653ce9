"""Volumes in HU from a loaded checkpoint: by seed, token after token."""

from __future__ import annotations

import numpy as np
import torch

from medbench.imaging.volume import Volume
from medbench_models.shared.volumes import voxels_of
from medbench_models.vq_trans.checkpoint import Loaded
from medbench_models.vq_trans.config import SamplingConfig
from medbench_models.vq_trans.ordering import to_latent
from medbench_models.vq_trans.transformer import Transformer


@torch.inference_mode()
def sample(networks: Loaded, seed: int, config: SamplingConfig) -> Volume:
    """Return the sample of a seed.

    Args:
        networks: a loaded checkpoint.
        seed: all the chance there is.
        config: temperature and top_k.
    """
    described = networks.description
    network = described.network
    chance = torch.Generator("cpu").manual_seed(seed)
    sequence = sample_tokens(networks.transformer, network.begin, config, chance)
    latent = to_latent(sequence, network.latent(described.shape))
    quantised = networks.vqvae.codebook.embed(latent)
    voxels = voxels_of(networks.vqvae, quantised, window=network.window, flipped=described.flipped)
    return Volume(voxels, np.array(described.affine))


def sample_tokens(
    transformer: Transformer, begin: int, config: SamplingConfig, chance: torch.Generator
) -> torch.Tensor:
    """Return a sequence (1, length) of full length, one token drawn after the other.

    A single sequence at a time: in a batch, the sum of a row would depend on how many rows there are, and a sample on
    more than its seed.

    Args:
        transformer: in evaluation mode; its cache is taken on its device, once.
        begin: the token that begins a sequence; never drawn.
        config: temperature and top_k.
        chance: on the CPU, so that the noise is the same on every device.
    """
    cache = transformer.new_cache(1)
    token = torch.full((1,), begin, device=cache.keys.device)
    drawn = []
    for _ in range(transformer.max_seq_len):
        token = draw(transformer.forward_next(token, cache), begin, config, chance)
        drawn.append(token)
    return torch.stack(drawn, dim=1)


def draw(logits: torch.Tensor, begin: int, config: SamplingConfig, chance: torch.Generator) -> torch.Tensor:
    """Return a token (1,) drawn by its logits (1, num_tokens).

    Each token's probability is divided by an exponential random number, and the largest wins. That is what
    ``torch.multinomial`` does, in an order that does not wait for the device.

    Args:
        logits: of the next token.
        begin: its probability becomes 0.
        config: temperature and top_k.
        chance: on the CPU.
    """
    logits = logits.float() / config.temperature
    logits[:, begin] = -torch.inf
    if config.top_k is not None:
        lowest = logits.topk(min(config.top_k, logits.shape[-1])).values[:, -1:]
        logits = logits.masked_fill(logits < lowest, -torch.inf)
    probabilities = logits.softmax(dim=-1)
    noise = torch.empty(probabilities.shape).exponential_(generator=chance)
    return (probabilities / noise.to(probabilities.device)).argmax(dim=-1)
