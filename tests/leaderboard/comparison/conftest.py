from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medbench import registry
from medbench.records.results import Budget, Report, Resampled, Result, Skipped
from medbench.spec import fingerprint


@pytest.fixture
def make_result() -> Callable[..., Result]:
    """Make a result; one of a registered metric names its cases as that metric declares."""

    def make(metric: str, value: float, *, protocol: Mapping[str, Any] | None = None, **fields: Any) -> Result:
        protocol = {"metric": metric, "n_real": 8, "n_synthetic": 6, **(protocol or {})}
        given = {
            "ci95": None,
            "ci_method": "absent: a test",
            "floor": None,
            "better": "lower",
            "unit": None,
            "n_real": 8,
            "n_synthetic": 6,
            "parts": {},
            "seconds": 1.0,
            "table": None,
            "cases": registry.load("metrics", metric).info.cases if metric in registry.names("metrics") else None,
        } | fields
        return Result(metric=metric, value=value, protocol=protocol, fingerprint=fingerprint(protocol), **given)

    return make


@pytest.fixture
def replicates() -> Callable[..., dict[str, Resampled]]:
    def make(real: Sequence[float], synthetic: Sequence[float]) -> dict[str, Resampled]:
        sides = {"real": real, "synthetic": synthetic}
        return {side: Resampled(values=tuple(values), sizes=(1,) * len(values)) for side, values in sides.items()}

    return make


@pytest.fixture
def save_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a run's results and tables; return its folder."""

    def save(
        name: str,
        *results: Result,
        tables: Mapping[str, pd.DataFrame] | None = None,
        skipped: Sequence[Skipped] = (),
        run: str | None = None,
    ) -> Path:
        folder = tmp_path / name
        (folder / "tables").mkdir(parents=True)
        for metric, table in (tables or {}).items():
            table.to_csv(folder / "tables" / f"{metric}.csv", index=False)
        budget = Budget(limit_bytes=1, kind="absent", card="none", within=None)
        Report(
            run=run or name,
            model=name,
            model_version=None,
            dataset="toy",
            track="toy/0",
            budget=budget,
            results=results,
            skipped=tuple(skipped),
        ).save(folder)
        return folder

    return save


MASKS = [f"mask{index}" for index in range(6)]


def adherence(dsc: np.ndarray, *, order: list[int]) -> pd.DataFrame:
    """Two regions a sample; the samples' own ids follow the order they were made in."""
    return pd.DataFrame(
        [
            {"id": f"{place:06d}", "region": region, "dsc": dsc[index] + lift, "mask": MASKS[index]}
            for place, index in enumerate(order)
            for region, lift in (("lung", 0.1), ("heart", -0.1))
        ]
    )


@pytest.fixture(name="adherence")
def adherence_() -> Callable[..., Any]:
    return adherence
