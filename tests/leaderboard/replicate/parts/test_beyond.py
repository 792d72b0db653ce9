from __future__ import annotations

from collections.abc import Callable

from leaderboard.replicate.base import Findings, Finished
from leaderboard.replicate.parts.beyond import Beyond
from medbench.progress import silent
from medbench.records.results import Resampled, Result

PART = Beyond(kind="beyond", id="beyond", title="besides", run="samples", against="alpha")


def test_values_tests_and_costs(
    finish: Callable[..., Finished], found: Callable[..., Findings], make_result: Callable[..., Result]
) -> None:
    def run(model: str, value: float) -> Finished:
        replicates = {
            side: Resampled(values=tuple(value + step / 100 for step in range(8)), sizes=(1,) * 8)
            for side in ("real", "synthetic")
        }
        return finish(model, make_result("fid25d", value, ci95=(1.0, 3.0), floor=0.5, replicates=replicates))

    values, tests, costs = PART.make(found(run("alpha", 2.0), run("beta", 9.0), finish("gamma")), silent).tables
    assert values.rows[0].cells == ("2.00 [1.00, 3.00]", "9.00 [1.00, 3.00]", "-", "0.500")
    assert [row.name for row in tests.rows] == ["fid25d ↓: beta"]
    assert tests.rows[0].cells[0] == "-7.00"
    assert tests.records[0]["p_adjusted"] == tests.records[0]["p_value"]
    assert len(costs.rows) == 3


def test_without_the_papers_model_nothing_is_compared(
    finish: Callable[..., Finished], found: Callable[..., Findings], make_result: Callable[..., Result]
) -> None:
    tables = PART.make(found(finish("beta", make_result("fid25d", 1.0))), silent).tables
    assert [table.name for table in tables] == ["beyond-values", "beyond-costs"]
