"""Training of the transformer, or of the adapter that steers it: a denoiser with dropout."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from medbench.training.averaging import seeded
from medbench_models.shared.diffusion import DiffusionTask


class DropoutTask(DiffusionTask):
    """Training of a denoiser whose dropout, too, depends on the step's chance alone, so that it resumes exactly."""

    def step(self, index: int, chance: torch.Generator) -> Mapping[str, torch.Tensor]:
        """Train on one batch; see ``AveragedTask``."""
        dropped = int(torch.randint(2**62, (), generator=chance))
        with seeded(dropped):
            return super().step(index, chance)
