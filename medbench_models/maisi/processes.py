"""The two noising processes of MAISI, to train and to sample by: DDPM (version 1) and rectified flow (version 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import torch
from monai.networks.schedulers import RFlowScheduler

from medbench_models.maisi.config import NetworkConfig
from medbench_models.shared.samplers import SAMPLERS, Predict, times_for
from medbench_models.shared.schedules import Discrete, RectifiedFlow, Schedule, scaled_linear_alphas

TIMESTEPS: Final = 1000
_FIRST_BETA, _LAST_BETA = 0.0015, 0.0195
_USUAL_POSITIONS = 32**3


def build_schedule(network: NetworkConfig, positions: Sequence[int]) -> Schedule:
    """Return the noise schedule of latents of some positions (x, y, z).

    The flow's times are shifted by the size of the latent, as neighbours in a large one say more of each other.
    """
    if network.process == "ddpm":
        return Discrete(scaled_linear_alphas(TIMESTEPS, _FIRST_BETA, _LAST_BETA), "noise")
    return RectifiedFlow(TIMESTEPS, shift=float((math.prod(positions) / _USUAL_POSITIONS) ** (1 / 3)))


@torch.no_grad()
def denoise(
    network: NetworkConfig, predict: Predict, noise: torch.Tensor, chance: torch.Generator, *, steps: int
) -> torch.Tensor:
    """Return latents (n, c, x, y, z) made of standard normal noise.

    The flow goes by MONAI's scheduler, which tells the network times in half precision and cuts the end of each step to
    a whole number, so that its steps add up to a little more than the way: the published weights are sampled like that.

    Args:
        network: architecture.
        predict: what the network predicts of noisy latents at their times.
        noise: (n, c, x, y, z).
        chance: of DDPM, on the CPU.
        steps: of the flow; DDPM takes all its own.
    """
    if network.process == "ddpm":
        schedule = build_schedule(network, noise.shape[2:])
        return SAMPLERS["ddpm"](schedule, predict, noise, times_for("ddpm", schedule, TIMESTEPS), chance)
    flow = build_flow(steps, noise.shape[2:])
    latent, ends = noise, [*flow.timesteps[1:], torch.zeros(())]
    for time, end in zip(flow.timesteps, ends, strict=True):
        told = torch.full((len(latent),), float(time), device=latent.device)
        latent, _ = flow.step(predict(latent, told).to(latent), time, latent, end)
    return latent


def build_flow(steps: int, positions: Sequence[int]) -> RFlowScheduler:
    """Return MONAI's scheduler with MAISI's settings and its times for latents of some positions (x, y, z)."""
    flow = RFlowScheduler(
        num_train_timesteps=TIMESTEPS,
        use_discrete_timesteps=False,
        sample_method="uniform",
        use_timestep_transform=True,
    )
    flow.set_timesteps(steps, input_img_size_numel=math.prod(positions))
    return flow
