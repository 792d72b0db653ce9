from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from leaderboard.replicate.base import Findings, Finished
from leaderboard.replicate.parts.ratios import Ratios
from medbench.progress import silent
from medbench.records.results import Result

PART = Ratios(
    kind="ratios", id="figure-3", title="ratios", run="samples", metric="rvr", figures=("wasserstein", "missing_rate"),
    regions=("aorta", "lung_left", "heart"),
)  # fmt: skip


def ratios(seed: int) -> pd.DataFrame:
    chance = np.random.default_rng(seed)
    return pd.DataFrame(
        [
            {"side": side, "id": str(index), "region": region, "voxels": 10, "ratio": ratio, "ml": ratio}
            for side, count in (("real", 12), ("synthetic", 4))
            for region, centre in (("lung_left", 0.1), ("aorta", 0.01))
            for index, ratio in enumerate(chance.normal(centre, centre / 10, count))
        ]
    )


def test_distributions_are_drawn_and_distances_told(
    finish: Callable[..., Finished], found: Callable[..., Findings], make_result: Callable[..., Result]
) -> None:
    def run(model: str, seed: int) -> Finished:
        figures = {"wasserstein": 0.123, "missing_rate": 0.0}
        result = make_result("rvr", 0.5, parts={"lung_left": figures, "aorta": figures}, table="tables/rvr.csv")
        return finish(model, result, tables={"rvr": ratios(seed)})

    findings = found(run("alpha", 0), run("beta", 1), finish("gamma"))
    shown = PART.make(findings, silent)
    assert shown.notes == ("gamma: it was not asked for",)
    (picture,) = shown.pictures
    assert (picture.folder / picture.figure.file).read_bytes().startswith(b"\x89PNG")
    (table,) = shown.tables
    assert table.columns == ("figure", "aorta", "lung left")
    assert {row.name: row.cells for row in table.rows}["beta, wasserstein"] == ("0.123", "0.123")
    assert len(table.records) == 8


def test_without_a_run_there_is_nothing_to_draw(found: Callable[..., Findings]) -> None:
    shown = PART.make(found(), silent)
    assert (shown.tables, shown.pictures) == ((), ())
