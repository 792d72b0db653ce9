import pytest
import torch

from medbench_models.medlord.schedule import CosineSchedule, cosine_alphas_cumprod


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


@pytest.mark.parametrize("count", [1, 5, 25, 300])
def test_ddim_recovers_what_an_oracle_knows(count: int) -> None:
    schedule = CosineSchedule(300)
    clean = torch.randn(1, 8, 4, 4, 4, generator=torch.Generator().manual_seed(0))

    def oracle(noisy: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        level = schedule.alphas_cumprod[steps].view(-1, 1, 1, 1, 1)
        return ((level.sqrt() * noisy - clean) / (1 - level).sqrt()).float()

    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(schedule.ddim(oracle, noise, count), clean, atol=1e-4, rtol=0)
