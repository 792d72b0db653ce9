from __future__ import annotations

from collections.abc import Callable

from leaderboard.replicate.base import Findings, Finished
from leaderboard.replicate.parts.pictures import Pictures
from medbench.progress import silent
from medbench.records.results import Result, StoredFigure

PART = Pictures(kind="pictures", id="figure-a1", title="pictures", run="samples", metric="reconstruction")


def test_figures_of_runs_bear_the_models_name(
    finish: Callable[..., Finished], found: Callable[..., Findings], make_result: Callable[..., Result]
) -> None:
    figure = StoredFigure(file="figures/reconstruction.png", caption="Pairs.", alt="pairs")
    run = finish("alpha", make_result("reconstruction", 30.0, figures=(figure,)))
    shown = PART.make(found(run, finish("beta")), silent)
    assert [(one.folder, one.figure.caption) for one in shown.pictures] == [(run.folder, "alpha. Pairs.")]
    assert shown.notes == ("beta: it was not asked for",)
