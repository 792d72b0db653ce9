"""The nearest code, by the tree and by chunks, against the plain formula."""

import pytest
import torch

from medbench_models.shared import nearest
from medbench_models.shared.nearest import nearest_codes


def plain(rows: torch.Tensor, codebook: torch.Tensor) -> torch.Tensor:
    distances = rows.square().sum(dim=1, keepdim=True) + codebook.square().sum(dim=1) - 2.0 * rows @ codebook.T
    return distances.argmin(dim=1)


def rows_and_codes(count: int, codes: int) -> tuple[torch.Tensor, torch.Tensor]:
    chance = torch.Generator().manual_seed(1)
    return torch.randn(count, 8, generator=chance), torch.randn(codes, 8, generator=chance)


@pytest.fixture(params=["tree", "chunks"])
def search(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let every problem be large enough for the tree, or none."""
    monkeypatch.setattr(nearest, "_FEW_DISTANCES", 0 if request.param == "tree" else 2**60)
    return request.param


def test_it_is_the_plain_formula(search: str) -> None:
    rows, codebook = rows_and_codes(3001, 512)
    found, wanted = nearest_codes(rows, codebook), plain(rows, codebook)
    differing = torch.nonzero(found != wanted).flatten()
    gaps = [(rows[row] - codebook[index[row]]).norm() for index in (found, wanted) for row in differing]
    half = len(differing)
    assert all(abs(a - b) < 1e-5 for a, b in zip(gaps[:half], gaps[half:]))  # only near-ties may differ
    assert half <= 3


def test_ties_go_to_the_lowest_index(search: str) -> None:
    codebook = torch.tensor([[5.0, 5.0], [1.0, 0.0], [1.0, 0.0], [5.0, 5.0]])
    rows = torch.tensor([[1.0, 0.0], [5.0, 5.0]])
    assert nearest_codes(rows, codebook).tolist() == [1, 0]


def test_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, codebook = rows_and_codes(301, 64)
    wanted = nearest_codes(rows, codebook)
    for size in (1, 7, 300, 301):
        monkeypatch.setattr(nearest, "MOST_EXTRA_BYTES", size * 4 * 64)
        assert torch.equal(nearest_codes(rows, codebook), wanted)
