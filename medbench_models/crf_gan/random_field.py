"""The conditional random field of CRF-GAN: it corrects a critic's logit by the likeness of the features' channels.

Source: Shiri, Bruno, Loiacono 2025 (arXiv 2503.10899), after the mean field of Li, Ping 2018 (arXiv 1806.07307).
"""

from __future__ import annotations

import torch
from torch import nn

_ITERATIONS = 10
_LEAST_NORM = 1e-6


class RandomField(nn.Module):
    """A fully connected field of groups of successive channels, each seen over the whole volume.

    The papers suggest nodes in space; the public code cuts the features in the order of memory, which makes them groups
    of channels, and so does this. Weights of 0, as at the beginning, leave every logit as it is.

    Args:
        nodes: groups that the channels are cut into.
    """

    def __init__(self, nodes: int) -> None:
        super().__init__()
        self.W = nn.Parameter(torch.zeros(1, nodes, nodes))

    def forward(self, features: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        """Return the corrected logits (n, 1), in float32, for features (n, c, depth, height, width)."""
        with torch.autocast(features.device.type, enabled=False):
            return mean_field(pairwise(features.float(), self.W), logits.float()).mean(dim=1, keepdim=True)


def pairwise(features: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return the potentials (n, nodes, nodes): the nodes' cosine likeness times the symmetric part of the weight.

    A node that is 0 everywhere is like none, itself included: the small number is there at every size (in the public
    code of 64 voxels it is missing, and such a node makes the loss NaN).

    Args:
        features: (n, c, depth, height, width); c is a multiple of the nodes.
        weight: (1, nodes, nodes).

    >>> features = torch.tensor([3.0, -5.0, 0.0]).view(1, 3, 1, 1, 1)
    >>> pairwise(features, torch.ones(1, 3, 3))[0].round(decimals=4) + 0.0
    tensor([[ 1., -1.,  0.],
            [-1.,  1.,  0.],
            [ 0.,  0.,  0.]])
    """
    found = features.reshape(len(features), weight.shape[1], -1)
    norms = torch.linalg.vector_norm(found, dim=2, keepdim=True)
    likeness = (found @ found.mT) / (norms @ norms.mT + _LEAST_NORM)
    return likeness * (weight + weight.mT) / 2


def mean_field(potentials: torch.Tensor, unary: torch.Tensor, *, iterations: int = _ITERATIONS) -> torch.Tensor:
    """Return the nodes' logits (n, nodes) after some iterations of the mean field of a binary field.

    Args:
        potentials: (n, nodes, nodes), between pairs of nodes.
        unary: (n, 1), of every node alone; where the iteration begins.
        iterations: at each, a node's logit is its own plus the potentials to all, weighted by 2 p - 1.

    >>> mean_field(torch.zeros(1, 2, 2), torch.tensor([[0.7]]))
    tensor([[0.7000, 0.7000]])
    """
    logits = unary.expand(-1, potentials.shape[1])
    for _ in range(iterations):
        logits = unary + (potentials @ torch.tanh(logits / 2).unsqueeze(2)).squeeze(2)  # tanh(l / 2) = 2 p - 1
    return logits
