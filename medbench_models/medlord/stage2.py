"""Stage 2: the diffusion U-Net trained on the scaled latents."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from lightning_fabric import Fabric
from monai.networks.nets import VQVAE
from torch.nn import functional

from medbench.progress import Progress
from medbench.spec import Window
from medbench.training.averaging import Ema, cosine_rate, seeded, set_learning_rate
from medbench.training.loop import Stateful, step_chance
from medbench_models.medlord.config import NetworkConfig, Stage2Config
from medbench_models.medlord.data import scaled
from medbench_models.medlord.networks import build_unet
from medbench_models.medlord.schedule import CosineSchedule

_CLIP_NORM = 1.0
_VALIDATION_ROUNDS = 4


@torch.no_grad()
def encode(
    vqvae: VQVAE, volumes: np.ndarray, *, window: Window, device: torch.device, progress: Progress
) -> torch.Tensor:
    """Return the quantised latents (n, dim, x, y, z) of volumes (n, x, y, z) in HU, one at a time in float32."""
    vqvae.eval()
    latents = [
        vqvae.encode_stage_2_inputs(scaled(volume[None], window).to(device)).cpu()
        for volume in progress.track(volumes, task="encode", total=len(volumes))
    ]
    return torch.cat(latents)


class DiffusionTask:
    """Training of the U-Net by v-prediction.

    Args:
        network: architecture.
        config: training settings.
        train: scaled latents (n, dim, x, y, z).
        select: scaled latents; their loss with averaged weights and fixed noise chooses the weights.
        seed: of the initial weights and of the validation's noise.
    """

    def __init__(
        self, network: NetworkConfig, config: Stage2Config, *, train: torch.Tensor, select: torch.Tensor, seed: int
    ) -> None:
        self.config = config
        self.train = train
        self.select = select
        self.seed = seed
        self.schedule = CosineSchedule(network.unet.timesteps)
        with seeded(seed):
            self.unet = build_unet(network.unet, network.vqvae.codebook_dim)

    def setup(self, fabric: Fabric) -> None:
        """Hand the network and its optimiser to Fabric."""
        self.fabric = fabric
        optimiser = torch.optim.AdamW(self.unet.parameters(), lr=self.config.rate)
        self.net, self.optimiser = fabric.setup(self.unet, optimiser)
        self.ema = Ema(self.unet, self.config.ema_decay)

    def step(self, index: int, chance: torch.Generator) -> Mapping[str, torch.Tensor]:
        """Train on one batch of latents at random time steps."""
        config = self.config
        set_learning_rate(self.optimiser, cosine_rate(index, config.steps, peak=config.rate))
        chosen = torch.randint(len(self.train), (config.batch,), generator=chance)
        loss = self._loss(self.net, self.train[chosen], chance)
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.net, self.optimiser, max_norm=_CLIP_NORM)
        self.optimiser.step()
        self.ema.update(self.unet)
        return {"mse": loss.detach()}

    def validate(self) -> Mapping[str, float]:
        """Return the averaged weights' loss on the selection latents with noise that is the same every time."""
        chance = step_chance(self.seed, -1)
        averaged = self.ema.applied_to(self.unet)
        with torch.no_grad(), self.fabric.autocast():
            losses = [
                float(self._loss(averaged, batch, chance))
                for _ in range(_VALIDATION_ROUNDS)
                for batch in self.select.split(self.config.batch)
            ]
        return {"score": float(np.mean(losses))}

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the averaged weights."""
        return dict(self.ema.applied_to(self.unet).state_dict())

    def state(self) -> Mapping[str, Stateful]:
        """Return network, optimiser and averages."""
        return {"unet": self.unet, "optimiser": self.optimiser, "ema": self.ema}

    def _loss(self, unet: torch.nn.Module, clean: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        steps = torch.randint(self.schedule.timesteps, (len(clean),), generator=chance)
        noise = torch.randn(clean.shape, generator=chance)
        noisy = self.schedule.add_noise(clean, noise, steps)
        target = self.schedule.velocity(clean, noise, steps)
        device = self.fabric.device
        return functional.mse_loss(unet(noisy.to(device), steps.to(device)).float(), target.to(device))
