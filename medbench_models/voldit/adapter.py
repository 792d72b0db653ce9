"""The token adapter (TGCA): label maps become tokens that a frozen transformer's attention sees beside its own.

Its gate by time and its scales are kept, since published weights would hold them, but have next to no effect: the
layer norm in each block divides them out. What is left of them is where tokens are as small as the norm's epsilon.

Source: VolDiT, arXiv 2603.25181; compared with Cardio-AI/voldit, commit 76c7063.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn
from torch.nn import functional

from medbench_models.shared.condition_embedding import ConditionEmbedding
from medbench_models.voldit.config import AdapterConfig, DitConfig
from medbench_models.voldit.dit import Dit

_FIRST_SCALE = 0.1


class TokenAdapter(nn.Module):
    """Control tokens for a transformer's blocks, from label maps.

    Args:
        config: of the adapter.
        dit: of the transformer that is steered.
    """

    def __init__(self, config: AdapterConfig, dit: DitConfig) -> None:
        super().__init__()
        steered = dit.depth if config.blocks is None else config.blocks
        self.free = dit.depth - steered
        self.embedding = ConditionEmbedding(len(config.masks), config.channels, dit.width, stride=1)
        self.gate = nn.Linear(dit.width, 1)
        self.scales = nn.ParameterList(nn.Parameter(torch.full((1,), _FIRST_SCALE)) for _ in range(steered))
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)
        for layer in (self.embedding.conv_in, *self.embedding.blocks):
            # With PyTorch's own beginning, next to nothing of the masks comes through this many layers.
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)

    def embed(self, masks: torch.Tensor, grid: Sequence[int]) -> torch.Tensor:
        """Return tokens (n, tokens, width) of masks (n, masks, x, y, z), the embedding resized to a grid."""
        embedded = self.embedding(masks)
        if embedded.shape[2:] != tuple(grid):
            embedded = functional.interpolate(embedded, size=tuple(grid), mode="trilinear")
        return embedded.flatten(2).transpose(1, 2)

    def controls(self, tokens: torch.Tensor, time: torch.Tensor) -> list[torch.Tensor | None]:
        """Return what steers each block, None for the first ones where only the last are steered.

        Args:
            tokens: from ``embed``.
            time: (n, width), the transformer's embedding.
        """
        gated = torch.sigmoid(self.gate(time))[:, None] * tokens
        return [*[None] * self.free, *(scale * gated for scale in self.scales)]


class Steered(nn.Module):
    """An adapter with the frozen transformer that it steers; its parameters are the adapter's and the tuned blocks'.

    Args:
        adapter: what is trained.
        dit: what is steered.
        tuned: how many of its last blocks are trained along.
    """

    def __init__(self, adapter: TokenAdapter, dit: Dit, tuned: int = 0) -> None:
        super().__init__()
        self.adapter = adapter
        self._frozen = (dit.eval().requires_grad_(False),)  # in a tuple, it is no part of this module
        self.tuned = nn.ModuleList(dit.blocks[len(dit.blocks) - tuned :]).train().requires_grad_(True)

    @property
    def dit(self) -> Dit:
        """The transformer, which has to be placed on a device by itself."""
        return self._frozen[0]

    def states(self, weights: Mapping[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
        """Return the states of ``adapter`` and ``dit`` that the weights of this module, trained, amount to."""
        found = {"adapter": {}, "dit": dict(self.dit.state_dict())}
        for name, value in weights.items():
            part, _, key = name.partition(".")
            if part == "adapter":
                found["adapter"][key] = value
            else:
                block, _, key = key.partition(".")
                found["dit"][f"blocks.{len(self.dit.blocks) - len(self.tuned) + int(block)}.{key}"] = value
        return found

    def forward(self, latent: torch.Tensor, steps: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Return the velocity of noisy latents (n, c, x, y, z) at time steps (n,), steered by masks."""
        return self.velocity(latent, steps, self.adapter.embed(masks, self.dit.grid))

    def velocity(self, latent: torch.Tensor, steps: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Return the velocity, steered by tokens that were embedded before: sampling does so once for all steps."""
        time = self.dit.embed(steps)
        return self.dit.velocity(latent, time, self.adapter.controls(tokens, time))
