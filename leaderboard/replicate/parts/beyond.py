"""What the paper lacks: every metric with interval and floor, tests of differences, memory and time, leaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Literal

from leaderboard.comparison.compare import Incomparable, Run, compare, p_words
from leaderboard.comparison.compare import Row as Difference
from leaderboard.replicate.base import Findings, Finished, Part, Row, Shown, Table
from medbench.drawing.text import ABSENT, ARROWS, gib, interval, number, seconds
from medbench.progress import Progress
from medbench.records.results import StageMemory
from medbench.statistics.multiple_tests import holm


class Beyond(Part):
    """Tables of what was measured besides.

    Args:
        run: the kind of run that is compared.
        against: the model that every other one is compared with.
    """

    kind: Literal["beyond"]
    run: str
    against: str

    def make(self, findings: Findings, progress: Progress) -> Shown:
        """Return the tables.

        Raises:
            DataError: a table behind a number is absent or damaged.
        """
        del progress
        tables = [self._values(findings.of(self.run)), self._tests(findings.of(self.run)), self._costs(findings)]
        leaks = [
            f"leak of {model}: {leak}"
            for model, finished in findings.of(self.run).items()
            for leak in finished.report.leaks
        ]
        return Shown(tables=tuple(table for table in tables if table.rows), notes=tuple(leaks))

    def _values(self, runs: Mapping[str, Finished]) -> Table:
        """Return metrics by models: the value with its interval; the floor in the last column."""
        metrics = {result.metric: result for finished in runs.values() for result in finished.report.results}
        rows, records = [], []
        for metric, one in metrics.items():
            cells, floors = [], []
            for model, finished in runs.items():
                result = finished.result(metric)
                cells.append(ABSENT if result is None else f"{number(result.value)} {interval(result.ci95)}")
                if result is None:
                    continue
                floors += [] if result.floor is None else [result.floor]
                low, high = result.ci95 or (None, None)
                records.append(
                    {
                        **{"model": model, "metric": metric, "better": result.better, "unit": result.unit},
                        **{"value": result.value, "ci_low": low, "ci_high": high, "floor": result.floor},
                        **{"n_real": result.n_real, "n_synthetic": result.n_synthetic},
                        **{"fingerprint": result.fingerprint, "stand_ins": " ".join(result.stand_ins)},
                    }
                )
            unit = f" [{one.unit}]" if one.unit else ""
            floor = number(floors[0]) if floors else ABSENT
            rows.append(Row(f"{metric}{unit} {ARROWS[one.better]}", (*cells, floor)))
        caption = "Every metric with its 95 % interval; the floor is what real volumes score."
        return Table(f"{self.id}-values", ("metric", *runs, "floor"), tuple(rows), tuple(records), caption=caption)

    def _tests(self, runs: Mapping[str, Finished]) -> Table:
        """Compare every other model with one; Holm's adjustment is over the whole table."""
        found = list(self._differences(runs))
        adjusted = holm([row.p_value for row in found])
        rows, records = [], []
        for row, p_adjusted in zip((replace(row, p_adjusted=p) for row, p in zip(found, adjusted)), adjusted):
            low, high = row.ci95 or (None, None)
            rows.append(
                Row(
                    f"{row.metric} {ARROWS[row.better]}: {row.b}",
                    (number(row.difference), interval(row.ci95), p_words(row.p_value), p_words(p_adjusted)),
                )
            )
            records.append(
                {
                    **{"metric": row.metric, "a": row.a, "b": row.b, "difference": row.difference},
                    **{"ci_low": low, "ci_high": high, "p_value": row.p_value, "p_adjusted": p_adjusted},
                    "test": row.test,
                }
            )
        columns = (f"{self.against} minus", "difference", "95 % interval", "p", "p (Holm)")
        caption = f"{self.against} against every other model; Holm's adjustment is over this table."
        return Table(f"{self.id}-tests", columns, tuple(rows), tuple(records), caption=caption)

    def _differences(self, runs: Mapping[str, Finished]) -> Iterator[Difference]:
        own = runs.get(self.against)
        for model, finished in runs.items() if own is not None else ():
            if model != self.against:
                assert own is not None  # the loop asks
                pair = [Run(one.model, one.folder, one.report) for one in (own, finished)]
                rows, apart = compare(pair)
                assert all(isinstance(one, Incomparable) for one in apart)  # a metric that one of them lacks
                yield from rows

    def _costs(self, findings: Findings) -> Table:
        """Return time and memory of sampling: measured where a GPU took part, predicted where the model predicts."""
        rows, records = [], []
        for run, of_run in findings.runs.items():
            for model, finished in of_run.items():
                budget = finished.report.budget
                stage, predicted = budget.stages.get("sample"), budget.predicted.get("sample")
                measured = None if stage is None else stage.process_bytes or stage.reserved_bytes
                verdict = {True: "yes", False: "no", None: ABSENT}[budget.within]
                cells = (
                    seconds(None if stage is None else stage.seconds), gib(_ram(stage)), gib(measured),
                    gib(None if predicted is None else predicted.peak_bytes), verdict,
                )  # fmt: skip
                rows.append(Row(f"{model}, {run}", cells))
                records.append(
                    {
                        **{"model": model, "run": run, "seconds": None if stage is None else stage.seconds},
                        **{"rss_bytes": _ram(stage), "gpu_bytes": measured, "limit_bytes": budget.limit_bytes},
                        "predicted_bytes": None if predicted is None else predicted.peak_bytes,
                        "within": budget.within,
                    }
                )
        columns = ("sampling", "time", "main memory", "GPU, measured", "GPU, predicted", "within the budget")
        return Table(f"{self.id}-costs", columns, tuple(rows), tuple(records), caption="What sampling takes.")


def _ram(stage: StageMemory | None) -> int | None:
    return None if stage is None else stage.rss_bytes
