import pytest
import torch

from medbench_models.shared.energy import energy_distance


def test_pairs_of_a_row_with_itself_are_left_out() -> None:
    rows, others = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [3.0]])
    assert float(energy_distance(rows, others)) == pytest.approx(2.0 * (0 + 3 + 1 + 2) / 4 - 1.0 - 3.0)


def test_it_has_no_bias_at_small_counts() -> None:
    chance = torch.Generator().manual_seed(0)
    found = [float(energy_distance(*torch.randn(2, 4, 3, generator=chance))) for _ in range(2000)]
    assert abs(sum(found) / len(found)) < 0.02


def test_too_little_variety_is_seen() -> None:
    chance = torch.Generator().manual_seed(0)
    real, same, collapsed = (torch.randn(64, 8, generator=chance) * spread for spread in (1.0, 1.0, 0.1))
    assert energy_distance(collapsed, real) > 3 * energy_distance(same, real)
