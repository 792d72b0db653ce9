"""Moving averages of weights, learning rates, and seeds that leave the global state alone."""

import pytest
import torch

from medbench.training.averaging import Ema, cosine_rate, learning_rate, seeded


def test_ema_forgets_its_start_in_a_short_run() -> None:
    line = torch.nn.Linear(1, 1)
    ema = Ema(line, 0.999)
    with torch.no_grad():
        for value in line.parameters():
            value.fill_(7.0)
    for _ in range(20):
        ema.update(line)
    averaged = ema.applied_to(line)
    assert float(averaged.weight.detach()) == pytest.approx(7.0, abs=1e-3)  # a plain 0.999 would be at 0.02 of the way


def test_ema_decay_is_ramped() -> None:
    line = torch.nn.Linear(1, 1, bias=False)
    line.weight.data.fill_(0.0)
    ema = Ema(line, 0.5)
    line.weight.data.fill_(1.0)
    seen = []
    for _ in range(3):
        ema.update(line)
        seen.append(float(ema.average["weight"]))
    expected, value = [], 0.0
    for decay in (1 / 10, 2 / 11, 3 / 12):
        value = decay * value + (1 - decay)
        expected.append(value)
    assert seen == pytest.approx(expected, abs=1e-6)


def test_learning_rate_rises_then_falls_to_zero() -> None:
    rates = [cosine_rate(step, 1000, peak=2.0, warmup=10) for step in (0, 9, 500, 1000)]
    assert rates == pytest.approx([0.2, 2.0, 1.0, 0.0], abs=1e-3)


def test_learning_rates() -> None:
    assert learning_rate("constant", 7, 10, peak=3.0) == 3.0
    assert learning_rate("exponential", 0, 10, peak=1.0) == 1.0
    assert learning_rate("exponential", 10, 10, peak=1.0) == pytest.approx(0.08)
    assert [learning_rate("quadratic", step, 10, peak=4.0) for step in (0, 5, 10)] == [4.0, 1.0, 0.0]
    with pytest.raises(ValueError, match="choose from constant, cosine, exponential"):
        learning_rate("linear", 0, 10, peak=1.0)


def test_seeded_leaves_the_global_state_alone() -> None:
    before = torch.random.get_rng_state()
    with seeded(3):
        first = torch.rand(1)
    with seeded(3):
        assert torch.equal(first, torch.rand(1))
    assert torch.equal(before, torch.random.get_rng_state())
