"""Training of the transformer, or of the adapter that steers it: a denoiser with dropout."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from medbench.training.chance import Samples
from medbench_models.shared.diffusion import DiffusionTask, Examples
from medbench_models.voldit.dropout import by_sample, seed_layers


class DropoutTask(DiffusionTask):
    """Training of a denoiser whose dropout, too, is drawn for each sample; arguments as for ``DiffusionTask``."""

    def __init__(self, network: nn.Module, *args: Any, **named: Any) -> None:
        super().__init__(network, *args, **named)
        self.dropout = by_sample(network)

    def drawn(self, examples: Examples, rows: torch.Tensor, chance: Samples) -> tuple[torch.Tensor, ...]:
        """Return seeds of the dropout (n, layers) before what ``DiffusionTask`` draws."""
        seeds = chance.integers(2**62, len(self.dropout))
        return seeds, *super().drawn(examples, rows, chance)

    def loss(self, network: nn.Module, drawn: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """Return the loss of the network's prediction."""
        seeds, *others = drawn
        seed_layers(self.dropout, seeds)
        return super().loss(network, tuple(others))
