"""What is predicted not to fit is refused before any work; what exceeds the cap is the run's result."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medbench import registry
from medbench.budget.meter import GIB
from medbench.errors import BudgetExceededError
from medbench.pipeline.forecast import Forecast
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.progress import silent
from medbench.records.results import Report


@pytest.fixture
def plugin(hungry_generator: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    found = registry.load("generators", hungry_generator)
    monkeypatch.setattr(found, "claims", dict(found.claims))
    return found


@pytest.fixture
def hungry(options: RunOptions, hungry_generator: str) -> RunOptions:
    return replace(options, model=hungry_generator, metrics=("fid25d",), device="cuda:0", budget_bytes=6 * GIB)


@pytest.fixture
def forecast(plugin: Any) -> Callable[..., Forecast]:
    def make(*, preset: str = "lavish", limit_gib: float = 6.0, shape: tuple[int, int, int] = (32, 32, 16)) -> Forecast:
        return Forecast(plugin, preset, "sample", shape, limit_gib * GIB)

    return make


def test_another_preset_is_advised_before_another_shape_and_that_before_another_card(
    forecast: Callable[..., Forecast], plugin: Any
) -> None:
    assert forecast().advice() == "by prediction preset frugal (3.3 GiB) would fit"
    assert forecast(limit_gib=3.0).advice() == "by prediction volumes of 18x18x9 voxels would fit"
    assert forecast(limit_gib=1.0).advice() == "take a larger card and --budget above 10GB"


def test_a_prediction_that_was_too_low_is_not_repeated(forecast: Callable[..., Forecast], plugin: Any) -> None:
    """What was predicted to fit and did not says nothing for a preset that is predicted to need more."""
    plugin.claims |= {"lavish": 1.0, "frugal": 2.0}
    assert "frugal" not in forecast().advice()


@pytest.mark.parametrize("stage", ["run", "fit", "sample"])
def test_what_cannot_fit_is_refused_before_any_work(
    stage: str, hungry: RunOptions, plugin: Any, fake_card: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*arguments: object, **named: object) -> None:
        pytest.fail("it has begun")

    monkeypatch.setattr("medbench.pipeline.track.prepare", work)
    for name in ("fit", "sample"):
        monkeypatch.setattr(plugin, name, work)
    run = Run(replace(hungry, train=stage == "fit"), silent)
    with pytest.raises(BudgetExceededError) as refusal:
        {"run": run.report, "fit": run.fit, "sample": run.sample}[stage]()
    line = str(refusal.value)
    assert "needs about 10.2 GiB of GPU memory, and only 6.0 GiB may be used" in line
    assert "1x128x32x32x16 float32 of Sequential.0" in line
    assert line.endswith("by prediction preset frugal (3.3 GiB) would fit; --force tries it nevertheless")
    assert refusal.value.exit_code == 3
    assert not run.folder.results_file.exists()


@pytest.mark.parametrize("claimed", [1.0, 8.0])
def test_exceeding_the_cap_is_kept_as_the_result(
    claimed: float, hungry: RunOptions, plugin: Any, fake_card: object
) -> None:
    plugin.claims |= {"lavish": claimed, "frugal": 0.5}
    run = Run(replace(hungry, force=True), silent)
    with pytest.raises(BudgetExceededError) as error:
        run.report()
    line = str(error.value)
    assert line.startswith("stage sample exceeded the budget of 6.0 GiB on cuda:0 in Sequential.0, working on ")
    assert line.endswith("1x1x32x32x16 float32: by prediction preset frugal (1.6 GiB) would fit")
    report = Report.read(run.folder.results_file)
    assert (report.budget.kind, report.budget.card, report.budget.within) == ("measured", "capped", False)
    assert report.budget.stages["sample"].exceeded
    assert report.budget.predicted["sample"].tensor_bytes == claimed * GIB
    assert report.results == ()
    assert [(one.metric, one.reason) for one in report.skipped] == [("fid25d", line)]
    record = json.loads(run.folder.record_file.read_text(encoding="utf-8"))
    assert record["stages"]["sample"]["status"] == "failed"
    assert record["budget"]["within"] is False


def test_a_run_that_was_given_up_has_a_page(hungry: RunOptions, plugin: Any, fake_card: object) -> None:
    from medbench.report.html import write_report

    run = Run(replace(hungry, force=True), silent)
    with pytest.raises(BudgetExceededError):
        run.sample()
    page = write_report(run.folder.path).read_text(encoding="utf-8")
    assert "The run went over the budget." in page
    assert "stage sample exceeded the budget" in page


def test_on_a_cpu_nothing_is_refused_and_the_prediction_is_recorded(
    hungry: RunOptions, plugin: Any, tmp_path: Path
) -> None:
    for claimed, within in ((8.0, False), (1.0, True)):
        plugin.claims["lavish"] = claimed
        report = Run(replace(hungry, device="cpu", samples=2, out=tmp_path / str(claimed)), silent).report()
        assert (report.budget.kind, report.budget.card, report.budget.within) == ("predicted", "none", within)
        assert report.budget.predicted["sample"].shape == (32, 32, 16)
        assert report.budget.stages["sample"].allocated_bytes is None


def test_a_generator_that_does_not_predict_is_not_refused(options: RunOptions) -> None:
    run = Run(options, silent)
    assert run.forecasts.of("sample") is None
    assert run.forecasts.of("fit") is None
