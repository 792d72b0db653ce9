"""The heaviest training step of each stage, on empty data: rehearsed to predict its memory, or run to measure it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from lightning_fabric import Fabric

from medbench.training.checkpointing import checkpoint_activations
from medbench.training.rehearsal import Rehearsal
from medbench_models.medlord.config import DiffusionConfig, NetworkConfig, Stage1Config
from medbench_models.medlord.decoding import through
from medbench_models.medlord.diffusion import DiffusionTask, Steered
from medbench_models.medlord.networks import build_controlnet, build_schedule, build_unet, layers_of_unet
from medbench_models.medlord.stage1 import VqvaeTask
from medbench_models.shared.losses import PerceptualLoss
from medbench_models.shared.nearest import nearest_codes

Shape = Sequence[int]


@dataclass(frozen=True, eq=False)
class _Examples:
    """Takes the place of training latents: tensors of their shapes."""

    latent: tuple[int, ...]
    masks: tuple[int, ...] | None

    def __len__(self) -> int:
        return 1

    def clean(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(rows), *self.latent)

    def conditions(self, rows: torch.Tensor, chance: torch.Generator) -> tuple[torch.Tensor, ...]:
        del chance
        return () if self.masks is None else (torch.zeros(len(rows), *self.masks),)


def latent_shape(network: NetworkConfig, shape: Shape) -> tuple[int, ...]:
    """Return channels and size of the latent of a volume."""
    return (network.vqvae.codebook_dim, *(size // network.vqvae.factor for size in shape))


Search = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def step_stage1(
    network: NetworkConfig, config: Stage1Config, fabric: Rehearsal | Fabric, *, search: Search = nearest_codes
) -> Callable[[Shape, int], None]:
    """Take the heaviest step of stage 1, the last, with every loss, on empty crops.

    Args:
        network: architecture.
        config: training settings.
        fabric: a rehearsal, or the real one to measure.
        search: of the nearest codes.

    Returns:
        The validation that follows: of a volume of a shape, in so many slabs.
    """
    without = config.model_copy(update={"perceptual_weight": 0.0})  # its constructor asks for weights
    nothing = np.empty((0, *config.crop), np.int16)
    task = VqvaeTask(network, without, train=nothing, select=nothing, seed=0)
    task.codebook.search = search
    task._batch = lambda chance: torch.zeros(config.batch, 1, *config.crop, device=fabric.device)
    task.setup(fabric)
    task.config = config
    task.perceptual = _placed(_perceptual(), fabric) if config.perceptual_weight > 0.0 else None
    task.step(config.steps - 1, torch.Generator())

    @torch.no_grad()
    def validate(shape: Shape, count: int) -> None:
        task.vqvae.eval()
        through(task.vqvae, torch.zeros(1, 1, *shape), count=count)

    return validate


def _placed(network: torch.nn.Module, fabric: Rehearsal | Fabric) -> torch.nn.Module:
    """Move a network to a GPU; fake tensors stay where they are."""
    return network if isinstance(fabric, Rehearsal) else network.to(fabric.device)


def _perceptual() -> PerceptualLoss:
    """Return the perceptual loss without its weights, which need not be here."""
    import lpips

    loss = object.__new__(PerceptualLoss)
    torch.nn.Module.__init__(loss)
    with warnings.catch_warnings():
        # The package still calls torchvision with arguments that torchvision has replaced.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        network = lpips.LPIPS(net="squeeze", pretrained=False, pnet_rand=True, verbose=False)
    loss.network = network.eval().requires_grad_(False)
    return loss


def step_diffusion(
    network: NetworkConfig, config: DiffusionConfig, shape: Shape, fabric: Rehearsal | Fabric, *, steered: bool
) -> None:
    """Take a step of stage 2, or of stage 3 where ``steered``, on empty latents and masks.

    Args:
        network: architecture.
        config: training settings.
        shape: voxels (x, y, z).
        fabric: a rehearsal, or the real one to measure.
        steered: train the ControlNet.
    """
    unet = build_unet(network.unet, network.vqvae.codebook_dim)
    trained: torch.nn.Module = Steered(build_controlnet(network), _placed(unet, fabric)) if steered else unet
    if config.checkpointing:
        parts = [trained.controlnet, unet] if isinstance(trained, Steered) else [unet]
        checkpoint_activations(layer for part in parts for layer in layers_of_unet(part))
    masks = (len(network.controlnet.regions), *shape) if steered and network.controlnet is not None else None
    examples = _Examples(latent_shape(network, shape), masks)
    task = DiffusionTask(
        trained, config, train=examples, select=examples, schedule=build_schedule(network.unet), seed=0
    )
    task.setup(fabric)
    task.step(config.steps - 1, torch.Generator())
