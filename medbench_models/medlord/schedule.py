"""The noise schedule of the diffusion model, its v-prediction, and sampling by DDIM, DPM-Solver++ or DDPM."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch

# Noisier steps say next to nothing of the sample, and their log SNR falls without limit.
_LEAST_LOG_SNR = -8.0

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

    def random_steps(self, count: int, chance: torch.Generator) -> torch.Tensor:
        """Return ``count`` time steps, one from each of ``count`` equal parts of the range, in ascending order.

        Drawn so, a batch's loss varies less than with independent steps; over many batches all steps are as likely.

        Source: Kingma et al. 2021 (arXiv 2107.00630), appendix I.1.
        """
        places = (torch.rand(1, generator=chance, dtype=torch.float64) + torch.arange(count)) / count
        return (places * self.timesteps).long()

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
            clean, residual = self._parts(predict, latent, step)
            if step < ratio:
                return clean
            latent = self.add_noise(clean, residual, torch.full((len(noise),), step - ratio))
        raise AssertionError("the last DDIM step is 0")

    def dpm_steps(self, count: int) -> list[int]:
        """Return at most ``count`` descending time steps: the noisiest, then some equally apart in log SNR down to 0.

        Source: Lu et al. 2022 (arXiv 2206.00927), section 3.1: steps equal in log SNR.
        """
        log_snr = torch.logit(self.alphas_cumprod)
        wanted = torch.linspace(_LEAST_LOG_SNR, float(log_snr[0]), count - 1, dtype=torch.float64)
        nearest = (log_snr[None] - wanted[:, None]).abs().argmin(dim=1)
        return sorted({self.timesteps - 1, *nearest.tolist()}, reverse=True)

    @torch.no_grad()
    def dpm(self, predict: Velocity, noise: torch.Tensor, count: int) -> torch.Tensor:
        """Return clean latents from noise by DPM-Solver++(2M), which follows DDIM's path at second order.

        Args:
            predict: the velocity network.
            noise: (n, c, x, y, z) standard normal.
            count: number of network evaluations at most, 3 or more.

        Source: Lu et al. 2022 (arXiv 2211.01095), algorithm 2.
        """
        path = self.dpm_steps(count)
        half_log_snr = torch.logit(self.alphas_cumprod) / 2
        latent, before = noise, None
        for step, following in itertools.pairwise(path):
            clean, _ = self._parts(predict, latent, step)
            length = half_log_snr[following] - half_log_snr[step]
            ahead = clean
            if before is not None:
                clean_before, length_before = before
                ahead = clean + float(length / length_before / 2) * (clean - clean_before)
            before = clean, length
            level, level_following = self.alphas_cumprod[step], self.alphas_cumprod[following]
            shrink = float(((1.0 - level_following) / (1.0 - level)).sqrt())
            latent = shrink * latent - float(level_following.sqrt() * torch.expm1(-length)) * ahead
        clean, _ = self._parts(predict, latent, path[-1])
        return clean

    def _parts(self, predict: Velocity, latent: torch.Tensor, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the clean latents and the noise that a network sees in noisy latents at one time step."""
        steps = torch.full((len(latent),), step)
        velocity = predict(latent, steps.to(latent.device)).to(latent)
        signal, sigma = self._scales(steps, latent)
        return signal * latent - sigma * velocity, signal * velocity + sigma * latent

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
