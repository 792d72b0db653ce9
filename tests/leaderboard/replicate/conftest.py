"""Runs of a toy generator with numbers of a test's choice, and a paper about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from leaderboard.replicate.base import Findings, Finished
from leaderboard.reported.rows import ReportedRow
from medbench import registry
from medbench.pipeline.conditions import conditions_of
from medbench.pipeline.options import resolve_protocol
from medbench.pipeline.sample import Making, sample
from medbench.progress import silent
from medbench.records.results import Budget, Report, Result, Skipped
from medbench.records.run import RunFolder


@pytest.fixture
def finish(tmp_path: Path, toy_generator: str, toy_dataset: str) -> Callable[..., Finished]:
    """Make a run's folder, with as many samples of the toy generator as asked for; label maps steer those that are."""

    def make(
        model: str,
        *results: Result,
        kind: str = "samples",
        samples: int = 0,
        tables: Mapping[str, pd.DataFrame] | None = None,
        skipped: Sequence[Skipped] = (),
    ) -> Finished:
        folder = RunFolder(tmp_path / "out" / "runs" / f"{model}-{kind}")
        folder.open(kind="run", spec={"model": model})
        if samples:
            dataset = registry.load("datasets", toy_dataset)()
            maps = conditions_of("test", dataset, dataset.grid).items if kind == "steered" else None
            making = Making(folder.samples, len(model), dataset.grid, conditions=maps)
            generator = registry.load("generators", toy_generator)("tiny", device="cpu")
            sample(making, generator, count=samples, progress=silent)
        for metric, table in (tables or {}).items():
            folder.tables.mkdir(exist_ok=True)
            table.to_csv(folder.tables / f"{metric}.csv", index=False)
        budget = Budget(limit_bytes=24 * 2**30, kind="absent", card="none", within=None)
        report = Report(
            run=folder.path.name, model=model, model_version="1", dataset="toy", track="toy/0123456789ab",
            budget=budget, results=results, skipped=tuple(skipped),
        )  # fmt: skip
        return Finished(model, folder.path, report)

    return make


@pytest.fixture
def found(tmp_path: Path, toy_dataset: str) -> Callable[..., Findings]:
    """Put runs (all of one kind unless ``by_kind`` has others) and reported rows together."""

    def make(
        *runs: Finished, reported: Sequence[ReportedRow] = (), by_kind: Mapping[str, Sequence[Finished]] | None = None
    ) -> Findings:
        kinds = {"samples": runs, **(by_kind or {})}
        dataset = registry.load("datasets", toy_dataset)()
        return Findings(
            out=tmp_path / "out",
            dataset=dataset,
            named=toy_dataset,
            data_root=None,
            protocol=resolve_protocol("folder-2.5d", grid=dataset.grid),
            runs={kind: {one.model: one for one in of_kind} for kind, of_kind in kinds.items()},
            published={"alpha": "Alpha", "beta": "Beta", "real": "Real"},
            reported=reported,
        )

    return make


@pytest.fixture
def told() -> Callable[..., ReportedRow]:
    def make(model: str, metric: str, value: float, **fields: Any) -> ReportedRow:
        given = {"dataset": "SET", "source": "A paper, Table 1", **fields}
        return ReportedRow(model=model, metric=metric, value=value, **given)

    return make
