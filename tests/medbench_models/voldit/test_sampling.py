"""Sampling is the public code's, step by step, in the networks' own precision."""

import copy

import pytest
import torch

from medbench_models.shared.samplers import ddim, posterior, times_for
from medbench_models.shared.schedules import Discrete, parts
from medbench_models.voldit.config import DitConfig
from medbench_models.voldit.networks import build_schedule
from medbench_models.voldit.presets import PRESETS
from medbench_models.voldit.sampling import predictor

TOLERANCE = {"atol": 1e-4, "rtol": 0.0}


@pytest.fixture
def schedule(golden) -> Discrete:
    return build_schedule(golden.config(2))


def test_a_ddim_sample_is_the_public_codes(golden, schedule: Discrete) -> None:
    wanted = golden.arrays("sampler", "ddim")
    times = wanted["timesteps"].tolist()
    assert schedule.evenly(5) == times
    found = ddim(schedule, predictor(golden.dit(2)), wanted["x_init"], times, torch.Generator())
    torch.testing.assert_close(found, wanted["pred_x0_last"], **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("name", ["ddpm", "ddpm300last3"])
def test_ancestral_steps_are_the_public_codes(golden, schedule: Discrete, name: str) -> None:
    wanted, predict = golden.arrays("sampler", name), predictor(golden.dit(2))
    latent = wanted["x_init"]
    for index, step in enumerate(wanted["timesteps"].tolist()):
        velocity = predict(latent, torch.tensor([step]))
        torch.testing.assert_close(velocity, wanted[f"model_output_{index}"], **TOLERANCE)
        clean, _ = parts(schedule, latent, velocity, torch.tensor([step]))
        noise = wanted.get(f"noise_{index}", torch.zeros_like(latent))
        latent = posterior(schedule, latent, clean, (step, step - 1), noise) if step else clean
        torch.testing.assert_close(latent, wanted[f"x_prev_{index}"], **TOLERANCE)


def test_the_papers_sampler_goes_through_every_step() -> None:
    config = PRESETS["paper"]
    times = times_for(config.sampling.sampler, build_schedule(config.network.dit), config.sampling.steps)
    assert times == list(range(299, -1, -1))


@torch.no_grad()
@pytest.mark.parametrize("steered", [False, True])
def test_latents_may_have_another_precision_than_the_networks(golden, steered: bool) -> None:
    """On a GPU float16; here bfloat16 stands for it, which the CPU's kernels have."""
    wanted, whole = golden.arrays("tgca_io", "p2_all"), golden.steered("p2_all")
    half = copy.deepcopy(whole.dit).to(torch.bfloat16), copy.deepcopy(whole.adapter).to(torch.bfloat16)
    masks = [wanted["cond"].float()] if steered else []
    given = wanted["x"], torch.tensor([137])
    found = predictor(*half[: 1 + steered], *masks)(*given)
    assert found.dtype == torch.bfloat16
    exact = predictor(*(whole.dit, whole.adapter)[: 1 + steered], *masks)(*given)
    assert (found - exact).abs().mean() < 0.05 * exact.abs().mean()


def test_the_length_of_the_schedule_is_the_transformers() -> None:
    assert len(build_schedule(DitConfig(patch=2, width=12, depth=1, heads=1, timesteps=50)).times) == 50
