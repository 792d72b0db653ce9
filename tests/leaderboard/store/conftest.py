"""A run with one value, and a store with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from leaderboard.store.store import Store


@pytest.fixture
def store(store_address: str) -> Store:
    """An empty store of either kind."""
    return Store.open(store_address, create=True)


@pytest.fixture
def run_of(make_result: Any, save_run: Any, replicates: Any) -> Any:
    """Save a run with one value and its replicates."""

    def save(name: str, value: float = 1.0, *, metric: str = "mine", folder: str | None = None, **fields: Any) -> Path:
        sides = replicates([value, value + 0.1, value - 0.1, value], [value, value, value + 0.2, value - 0.2])
        result = make_result(metric, value, replicates=sides, floor=0.5, ci95=(value - 1, value + 1))
        return save_run(folder or name, result, run=name, **({"model": "toy"} | fields))

    return save
