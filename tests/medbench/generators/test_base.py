"""Seeds of samples."""

from __future__ import annotations

from medbench.generators.base import sample_seed


def test_seeds_depend_on_run_and_index_alone() -> None:
    seeds = {sample_seed(run, index) for run in range(3) for index in range(100)}
    assert len(seeds) == 300
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert sample_seed(0, 0) == sample_seed(0, 0)
