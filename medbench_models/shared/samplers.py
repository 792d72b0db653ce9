"""Samplers: from noise to a sample along the times of a schedule, whichever schedule and prediction it is.

All have one head, ``(schedule, predict, noise, times, chance)`` and return samples (n, ...): by a network, ``predict``,
and the schedule that it was trained with, from standard normal ``noise`` (n, ...), along descending ``times`` of one
evaluation each (``times_for`` gives those that suit). After the last, the sample is what the network believes to be
clean. ``chance``, from which only DDPM draws, is on the CPU, so that a seed means the same on every device.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import torch

from medbench_models.shared import schedules
from medbench_models.shared.schedules import Schedule

# Noisier times say next to nothing of the sample, and their log SNR falls without limit.
_LEAST_LOG_SNR = -8.0

# A network's prediction from noisy arrays (n, ...) and their times (n,).
Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Sampler = Callable[[Schedule, Predict, torch.Tensor, Sequence[float], torch.Generator], torch.Tensor]


@torch.no_grad()
def ddim(
    schedule: Schedule, predict: Predict, noise: torch.Tensor, times: Sequence[float], chance: torch.Generator
) -> torch.Tensor:
    """Sample by deterministic DDIM; along a rectified flow this is Euler's method.

    Source: Song et al. 2021 (arXiv 2010.02502), eq. 12 with eta = 0.

    >>> flow = schedules.RectifiedFlow(prediction="clean")
    >>> ddim(flow, lambda noisy, times: 0 * noisy + 2, torch.zeros(3), flow.evenly(5), torch.Generator())
    tensor([2., 2., 2.])
    """
    del chance
    noisy = noise
    for time, following in itertools.pairwise(times):
        clean, residual = _parts(schedule, predict, noisy, time)
        noisy = schedules.add_noise(schedule, clean, residual, torch.full((len(noise),), following))
    return _parts(schedule, predict, noisy, times[-1])[0]


@torch.no_grad()
def dpm(
    schedule: Schedule, predict: Predict, noise: torch.Tensor, times: Sequence[float], chance: torch.Generator
) -> torch.Tensor:
    """Sample by DPM-Solver++(2M), which follows DDIM's path at second order.

    Source: Lu et al. 2022 (arXiv 2211.01095), algorithm 2.

    >>> cosine = schedules.Discrete(schedules.cosine_alphas(50), "clean")
    >>> times = times_for("dpm", cosine, 5)
    >>> dpm(cosine, lambda noisy, times: 0 * noisy + 2, torch.zeros(3), times, torch.Generator())
    tensor([2., 2., 2.])
    """
    del chance
    signal, sigma = schedule.scales(torch.tensor(times))
    lengths = (signal / sigma).log().diff()  # of the steps, in half the log SNR
    noisy, before = noise, None
    for index, time in enumerate(times[:-1]):
        clean, _ = _parts(schedule, predict, noisy, time)
        ahead = clean
        if before is not None:
            ahead = clean + float(lengths[index] / lengths[index - 1] / 2) * (clean - before)
        before = clean
        shrink, gain = sigma[index + 1] / sigma[index], -signal[index + 1] * torch.expm1(-lengths[index])
        noisy = float(shrink) * noisy + float(gain) * ahead
    return _parts(schedule, predict, noisy, times[-1])[0]


@torch.no_grad()
def ddpm(
    schedule: Schedule, predict: Predict, noise: torch.Tensor, times: Sequence[float], chance: torch.Generator
) -> torch.Tensor:
    """Sample by DDPM: every time draws the next from its posterior with the smaller variance.

    That variance is right where neighbouring times are close: give it every time step.

    Source: Ho et al. 2020 (arXiv 2006.11239), algorithm 2.

    >>> cosine = schedules.Discrete(schedules.cosine_alphas(50), "clean")
    >>> times = times_for("ddpm", cosine, 50)
    >>> ddpm(cosine, lambda noisy, times: 0 * noisy + 2, torch.zeros(3), times, torch.Generator())
    tensor([2., 2., 2.])
    """
    noisy = noise
    for time, following in itertools.pairwise(times):
        clean, _ = _parts(schedule, predict, noisy, time)
        drawn = torch.randn(noise.shape, generator=chance).to(noisy)
        noisy = posterior(schedule, noisy, clean, (time, following), drawn)
    return _parts(schedule, predict, noisy, times[-1])[0]


def posterior(
    schedule: Schedule, noisy: torch.Tensor, clean: torch.Tensor, times: tuple[float, float], noise: torch.Tensor
) -> torch.Tensor:
    """Return a draw of what was there at a less noisy time, given what is there now and what is believed to be clean.

    Args:
        schedule: of the noise.
        noisy: (n, ...) at the first time.
        clean: (n, ...).
        times: now, and the less noisy time.
        noise: (n, ...) standard normal.

    Source: Kingma et al. 2021 (arXiv 2107.00630), appendix A.2; of neighbouring steps: Ho et al. 2020, eq. 6 and 7.
    """
    (signal, signal_before), (sigma, sigma_before) = schedule.scales(torch.tensor(times))
    forgotten = 1.0 - (signal * sigma_before / (signal_before * sigma)).square()  # 1 - ratio of the SNRs
    of_noisy = signal / signal_before * (sigma_before / sigma).square()
    mean = float(signal_before * forgotten) * clean + float(of_noisy) * noisy
    return mean + float(sigma_before * forgotten.sqrt()) * noise


def _parts(schedule: Schedule, predict: Predict, noisy: torch.Tensor, time: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the clean arrays and the noise that a network sees in noisy ones at one time."""
    times = torch.full((len(noisy),), time)
    return schedules.parts(schedule, noisy, predict(noisy, times.to(noisy.device)).to(noisy), times)


SAMPLERS: dict[str, Sampler] = {"ddim": ddim, "dpm": dpm, "ddpm": ddpm}


def times_for(sampler: str, schedule: Schedule, count: int) -> Sequence[float]:
    """Return the descending times that suit a sampler.

    Args:
        sampler: ``ddim``: equally apart; ``dpm``: the noisiest time, then equally apart in log SNR; ``ddpm``: all.
        schedule: of the noise.
        count: times at most, 3 or more for ``dpm``; ``ddpm`` does not ask.

    Source: Lu et al. 2022 (arXiv 2206.00927), section 3.1: steps equal in log SNR.

    >>> cosine = schedules.Discrete(schedules.cosine_alphas(1000))
    >>> times_for("ddim", cosine, 5), times_for("dpm", cosine, 5)
    ([800, 600, 400, 200, 0], [999, 987, 769, 75, 0])
    """
    if sampler == "ddim":
        return schedule.evenly(count)
    if sampler == "ddpm":
        return schedule.times.flip(0).tolist()
    signal, sigma = schedule.scales(schedule.times)
    log_snr = 2.0 * (signal / sigma).log()
    wanted = torch.linspace(_LEAST_LOG_SNR, float(log_snr[0]), count - 1, dtype=torch.float64)
    nearest = (log_snr[None] - wanted[:, None]).abs().argmin(dim=1)
    return sorted({schedule.times[-1].item(), *schedule.times[nearest].tolist()}, reverse=True)
