"""Every sampler on every schedule, where the answer is known."""

import pytest
import torch

from medbench_models.shared.samplers import SAMPLERS, Predict, ddim, dpm, times_for
from medbench_models.shared.schedules import (
    Discrete,
    Prediction,
    RectifiedFlow,
    Schedule,
    cosine_alphas,
    linear_alphas,
    scaled_linear_alphas,
    target,
)

MEAN, SPREAD = 0.5, 0.3
SCHEDULES: dict[str, Schedule] = {
    "cosine": Discrete(cosine_alphas(300), "velocity"),
    "linear": Discrete(linear_alphas(1000, 1e-4, 0.02), "noise"),
    "scaled linear": Discrete(scaled_linear_alphas(1000, 0.0015, 0.0195), "noise"),
    "flow": RectifiedFlow(1000, "flow"),
}


def sampled(sampler: str, schedule: Schedule, predict: Predict, noise: torch.Tensor, count: int) -> torch.Tensor:
    times = times_for(sampler, schedule, count)
    return SAMPLERS[sampler](schedule, predict, noise, times, torch.Generator().manual_seed(0))


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def oracle_of(schedule: Schedule, mean: torch.Tensor | float, spread: float) -> Predict:
    """Return the best there is for normal data: the expectation given what is noisy, as the schedule's prediction."""

    def predict(noisy: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        signal, sigma = (scale.view(-1, *([1] * (noisy.ndim - 1))) for scale in schedule.scales(times))
        pull = signal * spread**2 / (signal.square() * spread**2 + sigma.square())
        clean = mean + pull * (noisy - signal * mean)
        return target(schedule, clean, (noisy - signal * clean) / sigma, times).float()

    return predict


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_normal_data_is_sampled_with_its_mean_and_deviation(name: str, sampler: str) -> None:
    schedule = SCHEDULES[name]
    count = 25 if sampler == "dpm" else len(schedule.times)  # of first order, and with noise for neighbours
    found = sampled(sampler, schedule, oracle_of(schedule, MEAN, SPREAD), normal(1, 4, 16, 16, 16), count)
    assert float(found.mean()) == pytest.approx(MEAN, abs=0.02)
    assert float(found.std()) == pytest.approx(SPREAD, rel=0.03)


@pytest.mark.parametrize("prediction", ["noise", "clean", "velocity", "flow"])
@pytest.mark.parametrize("name", SCHEDULES)
def test_what_the_network_predicts_does_not_matter(name: str, prediction: Prediction) -> None:
    """But that nothing is known of the sample from the noise in noise alone, where the flow begins."""
    wanted, noise = SCHEDULES[name], normal(1, 512)
    schedule = type(wanted)(next(iter(vars(wanted).values())), prediction)
    times = wanted.evenly(50)[1:]
    first, other = (
        ddim(one, oracle_of(one, MEAN, SPREAD), noise, times, torch.Generator()) for one in (wanted, schedule)
    )
    torch.testing.assert_close(other, first, atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [3, 5, 25, 300])
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("name", SCHEDULES)
def test_what_an_oracle_knows_is_recovered(name: str, sampler: str, count: int) -> None:
    schedule, clean = SCHEDULES[name], normal(1, 8, 4, 4, 4, seed=0)
    found = sampled(sampler, schedule, oracle_of(schedule, clean, 0.0), normal(*clean.shape), count)
    torch.testing.assert_close(found, clean, atol=2e-4, rtol=0)


def test_one_step_is_enough_for_an_oracle() -> None:
    schedule, clean = SCHEDULES["cosine"], normal(1, 8, 4, 4, 4, seed=0)
    found = sampled("ddim", schedule, oracle_of(schedule, clean, 0.0), normal(*clean.shape), 1)
    torch.testing.assert_close(found, clean, atol=1e-4, rtol=0)


def test_ddim_along_a_flow_is_eulers_method() -> None:
    flow, noisy = RectifiedFlow(1000), normal(2, 16)

    def predict(noisy: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        return torch.sin(3.0 * noisy) * times.view(-1, 1) / 1000

    times = flow.evenly(30)
    found = ddim(flow, predict, noisy, times, torch.Generator())
    for time, following in zip(times, [*times[1:], 0.0]):
        noisy = noisy + predict(noisy, torch.full((2,), time)) * (time - following) / 1000
    torch.testing.assert_close(found, noisy, atol=1e-5, rtol=0)


def test_networks_are_told_whole_steps_of_a_discrete_schedule_and_any_time_of_a_flow() -> None:
    told = []

    def predict(noisy: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        told.append(times)
        return noisy

    for schedule in (SCHEDULES["cosine"], RectifiedFlow(1000)):
        ddim(schedule, predict, normal(2, 3), schedule.evenly(3), torch.Generator())
    assert [times.tolist() for times in told[:3]] == [[200, 200], [100, 100], [0, 0]]
    assert {times.dtype for times in told[:3]} == {torch.int64}
    assert [float(times[0]) for times in told[3:]] == pytest.approx([1000.0, 2000 / 3, 1000 / 3])


def test_dpm_times_begin_with_pure_noise_and_are_dense_where_noise_outweighs_signal() -> None:
    schedule = Discrete(cosine_alphas(300))
    times = times_for("dpm", schedule, 25)
    assert times[0] == 299
    assert times[-1] == 0
    assert times == sorted(set(times), reverse=True)
    assert len(times) == 25
    log_snr = torch.logit(schedule.alphas_cumprod[times[2:-2]]).diff()
    assert log_snr.max() < 2 * log_snr.min()


def test_dpm_follows_the_path_to_a_normal_distribution_closer_than_ddim() -> None:
    """For data of standard deviation s the flow only scales: pure noise times s is its end."""
    schedule, noise = SCHEDULES["cosine"], normal(1, 8, 4, 4, 4)
    found, by_ddim = (
        (sampler(schedule, oracle_of(schedule, 0.0, SPREAD), noise, times_for(name, schedule, 25), None) / noise).mean()
        for name, sampler in (("dpm", dpm), ("ddim", ddim))
    )
    assert abs(found - SPREAD) < 0.01 * SPREAD
    assert abs(found - SPREAD) < 0.2 * abs(by_ddim - SPREAD)
