import pytest
import torch

from medbench_models.medlord.schedule import CosineSchedule, Velocity, cosine_alphas_cumprod


def oracle_of(schedule: CosineSchedule, clean: torch.Tensor) -> Velocity:
    """Predict the velocity that leads to known clean latents."""

    def predict(noisy: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        level = schedule.alphas_cumprod[steps].view(-1, 1, 1, 1, 1)
        return ((level.sqrt() * noisy - clean) / (1 - level).sqrt()).float()

    return predict


def test_cosine_schedule_has_upstreams_values() -> None:
    levels = cosine_alphas_cumprod(300)  # upstream: Cardio-AI/medlord, commit ee9f359
    assert levels.dtype == torch.float64
    assert float(levels[0]) == pytest.approx(0.9998435037, abs=1e-10)
    assert float(levels[149]) == pytest.approx(0.4938435904, abs=1e-10)
    assert float(levels[299]) == pytest.approx(2.698608e-9, rel=1e-6)
    assert float(cosine_alphas_cumprod(1000)[-1]) == pytest.approx(2.428767e-10, rel=1e-6)
    assert 1.0 - float(levels[299] / levels[298]) == pytest.approx(0.9999, abs=1e-12)


def test_ddim_steps_are_upstreams() -> None:
    schedule = CosineSchedule(300)
    assert schedule.ddim_steps(5) == [240, 180, 120, 60, 0]
    assert schedule.ddim_steps(300)[0] == 299
    assert schedule.ddim_steps(7) == [252, 210, 168, 126, 84, 42, 0]


def test_velocity_and_noise_give_back_the_clean_latent() -> None:
    schedule = CosineSchedule(300)
    clean, noise = torch.randn(3, 8, 4, 4, 4), torch.randn(3, 8, 4, 4, 4)
    steps = torch.tensor([0, 137, 298])
    noisy, velocity = schedule.add_noise(clean, noise, steps), schedule.velocity(clean, noise, steps)
    level = schedule.alphas_cumprod[steps].view(-1, 1, 1, 1, 1).float()
    torch.testing.assert_close(level.sqrt() * noisy - (1 - level).sqrt() * velocity, clean, atol=1e-5, rtol=0)
    torch.testing.assert_close(noisy, level.sqrt() * clean + (1 - level).sqrt() * noise)


def test_dpm_steps_begin_with_pure_noise_and_are_dense_where_noise_outweighs_signal() -> None:
    steps = CosineSchedule(300).dpm_steps(25)
    assert steps[0] == 299
    assert steps[-1] == 0
    assert steps == sorted(set(steps), reverse=True)
    assert len(steps) == 25
    log_snr = torch.logit(CosineSchedule(300).alphas_cumprod[steps[2:-2]]).diff()
    assert log_snr.max() < 2 * log_snr.min()


def test_dpm_follows_the_path_to_a_normal_distribution_closer_than_ddim() -> None:
    """For data of standard deviation s the flow only scales: pure noise times s is its end."""
    schedule, spread = CosineSchedule(300), 0.3

    def predict(noisy: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        level = schedule.alphas_cumprod[steps].view(-1, 1, 1, 1, 1)
        variance = level * spread**2 + 1 - level
        clean, noise = level.sqrt() * spread**2 / variance * noisy, (1 - level).sqrt() / variance * noisy
        return (level.sqrt() * noise - (1 - level).sqrt() * clean).float()

    noise = torch.randn(1, 8, 4, 4, 4, generator=torch.Generator().manual_seed(1))
    found, by_ddim = ((sampler(predict, noise, 25) / noise).mean() for sampler in (schedule.dpm, schedule.ddim))
    assert abs(found - spread) < 0.01 * spread
    assert abs(found - spread) < 0.2 * abs(by_ddim - spread)


def test_random_steps_are_spread_over_the_range_and_all_as_likely() -> None:
    schedule, chance = CosineSchedule(300), torch.Generator().manual_seed(0)
    drawn = torch.stack([schedule.random_steps(4, chance) for _ in range(3000)])
    assert (drawn // 75 == torch.arange(4)).all()
    counts = torch.bincount(drawn.flatten(), minlength=300)
    assert counts.min() > 0
    assert counts.float().std() < 1.3 * counts.float().mean().sqrt()


@pytest.mark.parametrize("count", [3, 5, 25, 300])
def test_dpm_recovers_what_an_oracle_knows(count: int) -> None:
    schedule = CosineSchedule(300)
    clean = torch.randn(1, 8, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(schedule.dpm(oracle_of(schedule, clean), noise, count), clean, atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [1, 5, 25, 300])
def test_ddim_recovers_what_an_oracle_knows(count: int) -> None:
    schedule = CosineSchedule(300)
    clean = torch.randn(1, 8, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(schedule.ddim(oracle_of(schedule, clean), noise, count), clean, atol=1e-4, rtol=0)
