"""How the attention blocks of MONAI's networks compute: by xformers, by PyTorch's fused attention, or plainly."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import torch
from monai.networks.blocks.crossattention import CrossAttentionBlock
from monai.networks.blocks.selfattention import SABlock
from torch import nn

from medbench.training.attention import Backend

# Takes queries, keys and values (n, tokens, heads, dim) and the scale of their products; returns the same layout.
Attend = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], torch.Tensor]


def use_attention(network: nn.Module, backend: Backend) -> None:
    """Let every attention block of a network compute by ``backend`` from now on.

    Parameters, their names and, up to rounding, the results stay the same. The plain formula keeps a matrix of tokens
    x tokens x heads; the other two do not.

    Args:
        network: holds MONAI's attention blocks.
        backend: ``xformers``, ``sdpa`` (PyTorch's scaled_dot_product_attention) or ``plain``.
    """
    for block in attention_blocks(network):
        block.use_flash_attention = backend != "plain"
        vars(block).pop("forward", None)
        if backend == "xformers":
            attend_by(block, _by_xformers)


def attend_by(block: SABlock | CrossAttentionBlock, attend: Attend) -> None:
    """Let one attention block compute by a function.

    Raises:
        ValueError: the block has a mask, dropout or a combined projection, which no network here has.
    """
    if block.causal or block.dropout_rate or getattr(block, "use_combined_linear", False):
        raise ValueError("only attention without mask, dropout and combined projection can be computed by a function")
    # A partial, not a bound method: a deep copy of the block then calls itself, not the original.
    block.forward = functools.partial(_forward, block, attend)


def attention_blocks(network: nn.Module) -> Iterator[SABlock | CrossAttentionBlock]:
    """Return MONAI's attention blocks in a network."""
    return (module for module in network.modules() if isinstance(module, SABlock | CrossAttentionBlock))


def _forward(
    block: SABlock | CrossAttentionBlock, attend: Attend, x: torch.Tensor, context: torch.Tensor | None = None
) -> torch.Tensor:
    source = x if context is None else context
    query, key, value = (
        projection(tokens).unflatten(-1, (block.num_heads, -1))
        for projection, tokens in ((block.to_q, x), (block.to_k, source), (block.to_v, source))
    )
    attended = attend(query, key, value, block.scale).flatten(-2)
    # A block without an output projection has an identity there.
    found: torch.Tensor = block.out_proj(attended)
    return found


def _by_xformers(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    from xformers.ops import memory_efficient_attention

    found: torch.Tensor = memory_efficient_attention(
        query.contiguous(), key.contiguous(), value.contiguous(), scale=scale
    )
    return found
