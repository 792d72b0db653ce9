import pytest
import torch

from medbench_models.shared.energy import energy_distance


def test_two_points_are_twice_their_distance_apart() -> None:
    assert energy_distance(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])) == pytest.approx(10.0)


def test_too_little_variety_is_seen() -> None:
    chance = torch.Generator().manual_seed(0)
    real, same, collapsed = (torch.randn(64, 8, generator=chance) * spread for spread in (1.0, 1.0, 0.1))
    assert energy_distance(collapsed, real) > 3 * energy_distance(same, real)
