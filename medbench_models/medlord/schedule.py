"""The noise schedule of the diffusion model, its v-prediction, and sampling by DDIM or DDPM."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

# Predicts the velocity from noisy latents (n, c, x, y, z) and their time steps (n,).
Velocity = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def cosine_alphas_cumprod(timesteps: int) -> torch.Tensor:
    """Return the share of signal variance left after each of ``timesteps`` noising steps, float64.

    MONAI's cosine schedule clips at 0.999 in float32 instead, which changes the noisiest steps.

    Source: Nichol and Dhariwal 2021 (arXiv 2102.09672), eq. 17, s = 0.008; betas clipped to 0.9999 as in
    Cardio-AI/medlord, commit ee9f359.
    """
    offset = 0.008
    times = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps
    signal = torch.cos((times + offset) / (1.0 + offset) * math.pi / 2.0).square()
    betas = (1.0 - signal[1:] / signal[:-1]).clamp(0.0, 0.9999)
    return torch.cumprod(1.0 - betas, dim=0)


class CosineSchedule:
    """Noise levels of ``timesteps`` steps.

    Args:
        timesteps: length of the noising process.
    """

    def __init__(self, timesteps: int) -> None:
        self.timesteps = timesteps
        self.alphas_cumprod = cosine_alphas_cumprod(timesteps)

    def _scales(self, steps: torch.Tensor, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        level = self.alphas_cumprod[steps.cpu()].view(-1, *([1] * (like.ndim - 1)))
        return level.sqrt().to(like), (1.0 - level).sqrt().to(like)

    def add_noise(self, clean: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """Return the noisy latents (n, c, x, y, z) at the time steps (n,)."""
        signal, sigma = self._scales(steps, clean)
        return signal * clean + sigma * noise

    def velocity(self, clean: torch.Tensor, noise: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """Return the target of v-prediction.

        Source: Salimans and Ho 2022 (arXiv 2202.00512), section 4.
        """
        signal, sigma = self._scales(steps, clean)
        return signal * noise - sigma * clean

    def ddim_steps(self, count: int) -> list[int]:
        """Return ``count`` descending time steps, ``timesteps // count`` apart and ending at 0 (upstream's spacing)."""
        ratio = self.timesteps // count
        return [index * ratio for index in reversed(range(count))]

    @torch.no_grad()
    def ddim(self, predict: Velocity, noise: torch.Tensor, count: int) -> torch.Tensor:
        """Return clean latents from noise by deterministic DDIM.

        Args:
            predict: the velocity network.
            noise: (n, c, x, y, z) standard normal.
            count: number of network evaluations.

        Source: Song et al. 2021 (arXiv 2010.02502), eq. 12 with eta = 0.
        """
        latent = noise
        ratio = self.timesteps // count
        for step in self.ddim_steps(count):
            steps = torch.full((len(noise),), step)
            velocity = predict(latent, steps.to(noise.device)).to(latent)
            signal, sigma = self._scales(steps, latent)
            clean = signal * latent - sigma * velocity
            residual = signal * velocity + sigma * latent
            if step < ratio:
                return clean
            latent = self.add_noise(clean, residual, steps - ratio)
        raise AssertionError("the last DDIM step is 0")

    def ddpm_step(self, latent: torch.Tensor, velocity: torch.Tensor, step: int, noise: torch.Tensor) -> torch.Tensor:
        """Return a sample one time step earlier, drawn from the posterior with its smaller variance.

        Args:
            latent: (n, c, x, y, z) at time step ``step``.
            velocity: what the network predicts there.
            step: time step; at 0 nothing random is added.
            noise: standard normal, of the latent's shape.

        Source: Ho et al. 2020 (arXiv 2006.11239), eq. 6 and 7.
        """
        level = self.alphas_cumprod[step]
        before = self.alphas_cumprod[step - 1] if step else torch.ones_like(level)
        alpha = level / before
        steps = torch.full((len(latent),), step)
        signal, sigma = self._scales(steps, latent)
        clean = signal * latent - sigma * velocity
        of_clean, of_latent, variance = (
            float(factor / (1.0 - level))
            for factor in (
                before.sqrt() * (1.0 - alpha),
                alpha.sqrt() * (1.0 - before),
                (1.0 - before) * (1.0 - alpha),
            )
        )
        mean = of_clean * clean + of_latent * latent
        return mean + variance**0.5 * noise if step else mean

    @torch.no_grad()
    def ddpm(self, predict: Velocity, noise: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
        """Return clean latents from noise through every time step.

        There is no shorter way by DDPM: its steps lead from one time step to the one before.

        Args:
            predict: the velocity network.
            noise: (n, c, x, y, z) standard normal.
            chance: on the CPU, so that a seed means the same on every device.
        """
        latent = noise
        for step in reversed(range(self.timesteps)):
            velocity = predict(latent, torch.full((len(noise),), step, device=noise.device)).to(latent)
            drawn = torch.randn(noise.shape, generator=chance).to(latent)
            latent = self.ddpm_step(latent, velocity, step, drawn)
        return latent
