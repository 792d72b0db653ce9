"""The heaviest step of a training, on empty data: rehearsed to predict its memory, or run to measure it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.spec import Window
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.config import DiffusionConfig, VqganConfig, VqvaeConfig
from medbench_models.shared.diffusion import DiffusionTask
from medbench_models.shared.losses import PerceptualLoss
from medbench_models.shared.nearest import by_chunks, nearest_codes, rows_at_once
from medbench_models.shared.schedules import Schedule
from medbench_models.shared.slabs import through
from medbench_models.shared.vqgan import VqganTask

Shape = Sequence[int]
Search = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def one_chunk(rows: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    """Hold what ``nearest_codes`` holds on a GPU; one chunk stands for all, which follow one another."""
    by_chunks(rows[: rows_at_once(codebook)], codebook)
    return rows.new_empty(len(rows), dtype=torch.int64)


def step_vqgan(
    network: VqvaeConfig, config: VqganConfig, fabric: Rehearsal | Fabric, *, search: Search = nearest_codes
) -> Callable[[Shape, int], None]:
    """Take the heaviest step of a VQ-GAN, the last, with every loss, on empty crops.

    Args:
        network: architecture.
        config: training settings.
        fabric: a rehearsal, or the real one to measure.
        search: of the nearest codes.

    Returns:
        The validation that follows: of a volume of a shape, in so many slabs.
    """
    nothing = np.empty((0, *config.crop), np.int16)
    perceptual = _perceptual() if config.perceptual_weight > 0.0 else None
    task = VqganTask(network, config, window=Window(), train=nothing, select=nothing, seed=0, perceptual=perceptual)
    task.codebook.search = search
    task._batch = lambda chance: torch.zeros(config.batch, 1, *config.crop, device=fabric.device)
    task.setup(fabric)
    task.step(config.steps - 1, torch.Generator())

    @torch.no_grad()
    def validate(shape: Shape, count: int) -> None:
        task.vqvae.eval()
        through(task.vqvae, torch.zeros(1, 1, *shape), count=count)

    return validate


def _perceptual() -> PerceptualLoss:
    """Return the perceptual loss without its weights, which need not be here."""
    import lpips

    with warnings.catch_warnings():
        # The package still calls torchvision with arguments that torchvision has replaced.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        network = lpips.LPIPS(net="squeeze", pretrained=False, pnet_rand=True, verbose=False)
    return PerceptualLoss(network.eval())


@dataclass(frozen=True, eq=False)
class _Empty:
    """Takes the place of training examples: tensors of their shapes."""

    shape: Shape
    others: Sequence[Shape]

    def __len__(self) -> int:
        return 1

    def clean(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(rows), *self.shape)

    def conditions(self, rows: torch.Tensor, chance: torch.Generator) -> tuple[torch.Tensor, ...]:
        del chance
        return tuple(torch.zeros(len(rows), *shape) for shape in self.others)


def step_diffusion(
    network: torch.nn.Module,
    config: DiffusionConfig,
    schedule: Schedule,
    fabric: Rehearsal | Fabric,
    *,
    shape: Shape,
    conditions: Sequence[Shape] = (),
) -> None:
    """Take a step of a denoising network on empty examples.

    Args:
        network: what is trained.
        config: training settings.
        schedule: of the noise.
        fabric: a rehearsal, or the real one to measure.
        shape: of an example, like (c, x, y, z).
        conditions: shapes of what else the network is given.
    """
    examples = _Empty(shape, conditions)
    task = DiffusionTask(network, config, train=examples, select=examples, schedule=schedule, seed=0)
    task.setup(fabric)
    task.step(config.steps - 1, torch.Generator())
