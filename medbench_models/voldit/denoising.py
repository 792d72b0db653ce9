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

    def loss(self, network: nn.Module, examples: Examples, rows: torch.Tensor, chance: Samples) -> torch.Tensor:
        """Return the loss of some examples; see ``DiffusionTask``."""
        seed_layers(self.dropout, chance)
        return super().loss(network, examples, rows, chance)
