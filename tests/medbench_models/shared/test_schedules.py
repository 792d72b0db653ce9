from collections.abc import Callable

import pytest
import torch

from medbench.training.chance import Chance
from medbench_models.shared.schedules import (
    Discrete,
    Prediction,
    RectifiedFlow,
    Schedule,
    add_noise,
    cosine_alphas,
    linear_alphas,
    parts,
    scaled_linear_alphas,
    target,
)

# MAISI's DDPM has the scaled linear betas, Ho et al. the linear ones.
SCHEDULES: dict[str, Callable[[Prediction], Schedule]] = {
    "cosine": lambda prediction: Discrete(cosine_alphas(300), prediction),
    "linear": lambda prediction: Discrete(linear_alphas(1000, 1e-4, 0.02), prediction),
    "scaled linear": lambda prediction: Discrete(scaled_linear_alphas(1000, 0.0015, 0.0195), prediction),
    "flow": lambda prediction: RectifiedFlow(1000, prediction),
}
EVERY = pytest.mark.parametrize("name", SCHEDULES)
PREDICTIONS = pytest.mark.parametrize("prediction", ["noise", "clean", "velocity", "flow"])


def test_cosine_schedule_has_upstreams_values() -> None:
    levels = cosine_alphas(300)  # upstream: Cardio-AI/medlord, commit ee9f359
    assert levels.dtype == torch.float64
    assert float(levels[0]) == pytest.approx(0.9998435037, abs=1e-10)
    assert float(levels[149]) == pytest.approx(0.4938435904, abs=1e-10)
    assert float(levels[299]) == pytest.approx(2.698608e-9, rel=1e-6)
    assert float(cosine_alphas(1000)[-1]) == pytest.approx(2.428767e-10, rel=1e-6)
    assert 1.0 - float(levels[299] / levels[298]) == pytest.approx(0.9999, abs=1e-12)


@pytest.mark.parametrize(
    ("ours", "schedule", "settings"),
    [
        (linear_alphas(1000, 1e-4, 0.02), "linear_beta", {"beta_start": 1e-4, "beta_end": 0.02}),
        (scaled_linear_alphas(1000, 0.0015, 0.0195), "scaled_linear_beta", {"beta_start": 0.0015, "beta_end": 0.0195}),
    ],
)
def test_linear_schedules_are_monais(ours: torch.Tensor, schedule: str, settings: dict[str, float]) -> None:
    from monai.networks.schedulers import DDPMScheduler

    monais = DDPMScheduler(num_train_timesteps=1000, schedule=schedule, **settings).alphas_cumprod
    torch.testing.assert_close(ours.float(), monais, rtol=1e-4, atol=0)  # theirs are float32


def test_the_flow_is_monais() -> None:
    from monai.networks.schedulers import RFlowScheduler

    clean, noise, times = torch.randn(2, 4, 3, 3, 3), torch.randn(2, 4, 3, 3, 3), torch.tensor([100.0, 986.5])
    monais = RFlowScheduler(num_train_timesteps=1000, use_discrete_timesteps=False).add_noise(clean, noise, times)
    torch.testing.assert_close(add_noise(RectifiedFlow(1000), clean, noise, times), monais)
    assert torch.equal(target(RectifiedFlow(1000), clean, noise, times), clean - noise)


def test_even_times_are_upstreams() -> None:
    schedule = Discrete(cosine_alphas(300))
    assert schedule.evenly(5) == [240, 180, 120, 60, 0]
    assert schedule.evenly(300)[0] == 299
    assert schedule.evenly(7) == [252, 210, 168, 126, 84, 42, 0]


@EVERY
@PREDICTIONS
def test_every_prediction_gives_back_the_clean_array_and_the_noise(name: str, prediction: Prediction) -> None:
    schedule = SCHEDULES[name](prediction)
    times = schedule.times[[0, 137, -2]]
    clean, noise = torch.randn(2, 3, 8, 4, 4, 4, dtype=torch.float64)
    noisy, predicted = add_noise(schedule, clean, noise, times), target(schedule, clean, noise, times)
    for found, wanted in zip(parts(schedule, noisy, predicted, times), (clean, noise)):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=0)


@EVERY
def test_noise_grows_with_time_and_ends_next_to_alone(name: str) -> None:
    schedule = SCHEDULES[name]("noise")
    signal, sigma = schedule.scales(schedule.times)
    assert signal.dtype == sigma.dtype == torch.float64
    assert (signal.diff() < 0).all()
    assert (sigma.diff() > 0).all()
    assert signal[-1] < 0.02
    assert sigma[-1] > 0.999


@EVERY
def test_random_times_are_spread_over_the_range_and_all_as_likely(name: str) -> None:
    schedule = SCHEDULES[name]("noise")
    steps = len(schedule.times)
    drawn = torch.stack([schedule.random_times(Chance(0, step).batches(4)[0]) for step in range(10 * steps)]) / steps
    assert (drawn * 4).long().eq(torch.arange(4)).all()
    counts = torch.histc(drawn.float(), bins=100, min=0.0, max=1.0)
    assert counts.min() > 0
    assert counts.std() < 1.3 * counts.mean().sqrt()
