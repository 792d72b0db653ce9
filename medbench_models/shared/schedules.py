"""Noise schedules: how much signal and how much noise there is at a time, and what a network predicts of the two.

At time t an array is ``signal(t) * clean + sigma(t) * noise``. Samplers (see ``samplers``) ask for no more than that:
any of them goes with any schedule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from medbench.training.chance import Samples

Prediction = Literal["noise", "clean", "velocity", "flow"]

# What a network predicts is a * clean + b * noise; these are a and b. In papers: epsilon; sample or x0; v; flow.
_MIXTURES: dict[Prediction, Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]] = {
    "noise": lambda signal, sigma: (torch.zeros_like(signal), torch.ones_like(sigma)),
    "clean": lambda signal, sigma: (torch.ones_like(signal), torch.zeros_like(sigma)),
    "velocity": lambda signal, sigma: (-sigma, signal),  # Salimans and Ho 2022 (arXiv 2202.00512), section 4
    "flow": lambda signal, sigma: (torch.ones_like(signal), -torch.ones_like(sigma)),
}


@dataclass(frozen=True, eq=False)
class Discrete:
    """A schedule of whole time steps that keeps the variance: signal² + sigma² = 1.

    Args:
        alphas_cumprod: (timesteps,) float64, the share of signal variance left after each noising step.
        prediction: what the network predicts.

    >>> schedule = Discrete(cosine_alphas(50))
    >>> schedule.evenly(5)
    [40, 30, 20, 10, 0]
    >>> signal, sigma = schedule.scales(torch.tensor([0, 25, 49]))
    >>> [round(float(value), 3) for value in signal]
    [0.999, 0.68, 0.0]
    """

    alphas_cumprod: torch.Tensor
    prediction: Prediction = "velocity"

    @property
    def times(self) -> torch.Tensor:
        """All time steps, as networks are told them, from the least noise to the most."""
        return torch.arange(len(self.alphas_cumprod))

    def scales(self, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return signal and sigma (n,) float64 at time steps (n,)."""
        level = self.alphas_cumprod[times.cpu()]
        return level.sqrt(), (1.0 - level).sqrt()

    def evenly(self, count: int) -> list[int]:
        """Return ``count`` descending time steps, ``timesteps // count`` apart and ending at 0."""
        ratio = len(self.alphas_cumprod) // count
        return [index * ratio for index in reversed(range(count))]

    def random_times(self, chance: Samples) -> torch.Tensor:
        """Return time steps (n,) to train on, see ``Samples.stratified``."""
        return (chance.stratified() * len(self.alphas_cumprod)).long()


@dataclass(frozen=True, eq=False)
class RectifiedFlow:
    """The straight way from noise to data: signal = 1 - t / timesteps, sigma = t / timesteps, at any time t between.

    Args:
        timesteps: where there is noise alone, from which no network can tell the sample by predicting the noise.
        prediction: what the network predicts.
        shift: more than 1 moves the times that are drawn and taken towards the noise, less than 1 towards the data.

    Source: Liu et al. 2022 (arXiv 2209.03003), eq. 1, with time running from data to noise; the shift: Esser et al.
    2024 (arXiv 2403.03206), section 5.3.2.

    >>> RectifiedFlow(1000).evenly(4)
    [1000.0, 750.0, 500.0, 250.0]
    >>> RectifiedFlow(1000, shift=3.0).evenly(4)
    [1000.0, 900.0, 750.0, 500.0]
    >>> RectifiedFlow(1000).scales(torch.tensor([750.0]))
    (tensor([0.2500], dtype=torch.float64), tensor([0.7500], dtype=torch.float64))
    """

    timesteps: int = 1000
    prediction: Prediction = "flow"
    shift: float = 1.0

    @property
    def times(self) -> torch.Tensor:
        """1 .. timesteps, of all that there are between."""
        return torch.arange(1.0, self.timesteps + 1.0)

    def scales(self, times: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return signal and sigma (n,) float64 at times (n,)."""
        sigma = times.cpu().double() / self.timesteps
        return 1.0 - sigma, sigma

    def evenly(self, count: int) -> list[float]:
        """Return ``count`` descending times from ``timesteps`` on, ``timesteps / count`` apart before the shift."""
        shares = 1.0 - torch.arange(count, dtype=torch.float64) / count
        return (self._shifted(shares) * self.timesteps).tolist()

    def random_times(self, chance: Samples) -> torch.Tensor:
        """Return times (n,) float32 to train on, see ``Samples.stratified``, shifted."""
        return (self._shifted(chance.stratified()) * self.timesteps).float()

    def _shifted(self, shares: torch.Tensor) -> torch.Tensor:
        return self.shift * shares / (1.0 + (self.shift - 1.0) * shares)


Schedule = Discrete | RectifiedFlow


def cosine_alphas(timesteps: int) -> torch.Tensor:
    """Return ``alphas_cumprod`` (timesteps,) float64 of the cosine schedule.

    MONAI's cosine schedule clips at 0.999 in float32 instead, which changes the noisiest steps.

    Source: Nichol and Dhariwal 2021 (arXiv 2102.09672), eq. 17, s = 0.008; betas clipped to 0.9999 as in
    Cardio-AI/medlord, commit ee9f359.

    >>> [round(float(level), 4) for level in cosine_alphas(4)]
    [0.847, 0.4938, 0.1443, 0.0]
    """
    offset = 0.008
    times = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps
    signal = torch.cos((times + offset) / (1.0 + offset) * math.pi / 2.0).square()
    betas = (1.0 - signal[1:] / signal[:-1]).clamp(0.0, 0.9999)
    return torch.cumprod(1.0 - betas, dim=0)


def linear_alphas(timesteps: int, first: float, last: float) -> torch.Tensor:
    """Return ``alphas_cumprod`` (timesteps,) float64 of betas that rise linearly from ``first`` to ``last``.

    Source: Ho et al. 2020 (arXiv 2006.11239), section 4.

    >>> linear_alphas(2, 0.1, 0.5)
    tensor([0.9000, 0.4500], dtype=torch.float64)
    """
    return torch.cumprod(1.0 - torch.linspace(first, last, timesteps, dtype=torch.float64), dim=0)


def scaled_linear_alphas(timesteps: int, first: float, last: float) -> torch.Tensor:
    """Return ``alphas_cumprod`` (timesteps,) float64 of betas whose square roots rise linearly.

    Source: Rombach et al. 2022 (arXiv 2112.10752), its public code.

    >>> scaled_linear_alphas(3, 0.01, 0.09)
    tensor([0.9900, 0.9504, 0.8649], dtype=torch.float64)
    """
    roots = torch.linspace(first**0.5, last**0.5, timesteps, dtype=torch.float64)
    return torch.cumprod(1.0 - roots.square(), dim=0)


def add_noise(schedule: Schedule, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Return the noisy arrays (n, ...) at times (n,).

    >>> add_noise(RectifiedFlow(), torch.tensor([[8.0]]), torch.tensor([[0.0]]), torch.tensor([250.0]))
    tensor([[6.]])
    """
    signal, sigma = (_like(scale, clean) for scale in schedule.scales(times))
    return signal * clean + sigma * noise


def target(schedule: Schedule, clean: torch.Tensor, noise: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
    """Return what the network has to predict (n, ...) at times (n,).

    >>> target(RectifiedFlow(), torch.tensor([[8.0]]), torch.tensor([[1.0]]), torch.tensor([250.0]))
    tensor([[7.]])
    """
    of_clean, of_noise = (_like(part, clean) for part in _MIXTURES[schedule.prediction](*schedule.scales(times)))
    return of_clean * clean + of_noise * noise


def parts(
    schedule: Schedule, noisy: torch.Tensor, predicted: torch.Tensor, times: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the clean arrays (n, ...) and the noise that a prediction says there are in noisy ones at times (n,).

    >>> parts(RectifiedFlow(), torch.tensor([[6.25]]), torch.tensor([[7.0]]), torch.tensor([250.0]))
    (tensor([[8.]]), tensor([[1.]]))
    """
    signal, sigma = schedule.scales(times)
    of_clean, of_noise = _MIXTURES[schedule.prediction](signal, sigma)
    determinant = signal * of_noise - sigma * of_clean  # of the two equations for noisy and predicted

    def share(coefficient: torch.Tensor) -> torch.Tensor:
        return _like(coefficient / determinant, noisy)

    clean = share(of_noise) * noisy - share(sigma) * predicted
    return clean, share(signal) * predicted - share(of_clean) * noisy


def _like(values: torch.Tensor, array: torch.Tensor) -> torch.Tensor:
    """Return numbers (n,) that multiply the rows of an array (n, ...)."""
    return values.view(-1, *([1] * (array.ndim - 1))).to(array)
