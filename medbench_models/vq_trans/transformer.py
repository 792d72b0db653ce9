"""The decoder-only transformer of VQ-Trans: MONAI's ``DecoderOnlyTransformer`` without mask buffers, with a cache.

State-dict names and results are those of MONAI 1.6.1's class. Each of MONAI's blocks keeps a causal mask of length x
length numbers (13.85 GB in 22 blocks at 12,544 tokens) and runs the whole sequence again for each token that it adds.
Here attention is causal without a mask, and keys and values of the tokens that were seen are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional


@dataclass(eq=False)
class Cache:
    """Keys and values of the tokens that were seen; memory for the whole sequence is taken at once.

    Args:
        keys: (blocks, n, heads, length, dim).
        values: likewise.
        filled: how many tokens they are of.
    """

    keys: torch.Tensor
    values: torch.Tensor
    filled: int = 0


class Attention(nn.Module):
    """Causal self-attention of several heads.

    Args:
        dim: of a token.
        heads: divides ``dim``.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.out_proj = nn.Linear(dim, dim)
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return what each of the tokens (n, length, dim) attends to in those up to itself."""
        query, key, value = self._projected(tokens)
        return self._joined(functional.scaled_dot_product_attention(query, key, value, is_causal=True))

    def forward_next(self, token: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return what one more token (n, 1, dim) attends to, and write its key and value at the end.

        Args:
            token: the last one.
            keys: (n, heads, length, dim / heads) of all tokens; the last is not yet there.
            values: likewise.
        """
        query, keys[:, :, -1:], values[:, :, -1:] = self._projected(token)
        return self._joined(functional.scaled_dot_product_attention(query, keys, values))

    def _projected(self, tokens: torch.Tensor) -> Iterator[torch.Tensor]:
        parts = (projection(tokens) for projection in (self.to_q, self.to_k, self.to_v))
        return (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)

    def _joined(self, attended: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.out_proj(attended.transpose(1, 2).flatten(-2))
        return found


class Mlp(nn.Module):
    """Two linear layers, four times as wide between them.

    Args:
        dim: of a token.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dim, 4 * dim)
        self.linear2 = nn.Linear(4 * dim, dim)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens (n, length, dim)."""
        found: torch.Tensor = self.linear2(functional.gelu(self.linear1(tokens)))
        return found


class Block(nn.Module):
    """Attention and MLP, each on normalised tokens and added to them.

    Args:
        dim: of a token.
        heads: of the attention.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.mlp = Mlp(dim)
        self.norm1 = nn.LayerNorm(dim)
        self.attn = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        # MONAI has it in blocks without cross-attention too, where nothing reads it.
        self.norm_cross_attn = nn.LayerNorm(dim).requires_grad_(False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return tokens (n, length, dim)."""
        tokens = tokens + self.attn(self.norm1(tokens))
        return tokens + self.mlp(self.norm2(tokens))

    def forward_next(self, token: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Return one more token (n, 1, dim); see ``Attention.forward_next``."""
        token = token + self.attn.forward_next(self.norm1(token), keys, values)
        return token + self.mlp(self.norm2(token))


class PositionEmbedding(nn.Module):
    """A learnt vector for each position.

    Args:
        length: longest sequence.
        dim: of a token.
    """

    def __init__(self, length: int, dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(length, dim)

    def forward(self, first: int, last: int) -> torch.Tensor:
        """Return the vectors (last - first, dim) of the positions from ``first`` to before ``last``."""
        return self.embedding.weight[first:last]


class Transformer(nn.Module):
    """Logits of the next token, for each token of a sequence.

    Args:
        num_tokens: size of the vocabulary: the codes and one that begins a sequence.
        max_seq_len: longest sequence.
        dim: of a token.
        depth: blocks.
        heads: of each block's attention; they divide ``dim``.
    """

    def __init__(self, num_tokens: int, max_seq_len: int, *, dim: int, depth: int, heads: int) -> None:
        super().__init__()
        self.max_seq_len = max_seq_len
        self.token_embeddings = nn.Embedding(num_tokens, dim)
        self.position_embeddings = PositionEmbedding(max_seq_len, dim)
        self.blocks = nn.ModuleList(Block(dim, heads) for _ in range(depth))
        self.to_logits = nn.Linear(dim, num_tokens)
        self.register_load_state_dict_pre_hook(_rename_monai)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return logits (n, length, num_tokens) for what follows each of the tokens (n, length).

        Raises:
            ValueError: there are more tokens than positions.
        """
        self._require_positions(tokens.shape[1])
        hidden = self.token_embeddings(tokens) + self.position_embeddings(0, tokens.shape[1])
        for block in self.blocks:
            hidden = block(hidden)
        logits: torch.Tensor = self.to_logits(hidden)
        return logits

    def new_cache(self, count: int) -> Cache:
        """Return an empty cache for ``count`` sequences of full length, on the weights' device and in their type."""
        weight, heads = self.to_logits.weight, self.blocks[0].attn.heads
        shape = (len(self.blocks), count, heads, self.max_seq_len, weight.shape[1] // heads)
        return Cache(weight.new_empty(shape), weight.new_empty(shape))

    def forward_next(self, token: torch.Tensor, cache: Cache) -> torch.Tensor:
        """Return logits (n, num_tokens) for what follows one more token (n,), which the cache then holds too.

        Raises:
            ValueError: the cache is full.
        """
        first, last = cache.filled, cache.filled + 1
        self._require_positions(last)
        hidden = self.token_embeddings(token[:, None]) + self.position_embeddings(first, last)
        for block, keys, values in zip(self.blocks, cache.keys, cache.values):
            hidden = block.forward_next(hidden, keys[:, :, :last], values[:, :, :last])
        cache.filled = last
        logits: torch.Tensor = self.to_logits(hidden[:, 0])
        return logits

    def _require_positions(self, length: int) -> None:
        if length > self.max_seq_len:
            raise ValueError(f"{length} tokens, and positions for {self.max_seq_len}: a window would slide unnoticed")


def _rename_monai(module: nn.Module, state: dict[str, Any], prefix: str, *others: Any) -> None:
    """Let states of MONAI's class load, in 1.6 and, with other names of the norms, in GenerativeModels before it."""
    del others
    for name in [name for name in state if name.startswith(f"{prefix}blocks.")]:
        if name.endswith(".causal_mask"):
            del state[name]
        elif ".norm3." in name:
            state[name.replace(".norm3.", ".norm2.")] = state.pop(name)
    for name, value in module.state_dict(prefix=prefix).items():
        if ".norm_cross_attn." in name:
            state.setdefault(name, value)
