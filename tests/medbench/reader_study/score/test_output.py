from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from leaderboard.comparison.compare import open_runs
from medbench.errors import SpecError
from medbench.reader_study.score.output import reports, save
from medbench.reader_study.score.score import score
from medbench.records.results import Report


def test_everything_is_written(rating_study, tmp_path: Path) -> None:
    scored = rating_study({"real": 0.8, "a": 0.0, "b": -0.8}, readers=3, cases=6, seed=0, repeats=3)
    found = score(scored)
    page = save(scored, found, tmp_path / "out")
    names = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert names == {
        "scores.json", "report.html", "study.imrmc", "figures/ratings.png", "models/a/results.json",
        "models/b/results.json", *(f"tables/{name}.csv" for name in
        ("ratings", "summary", "tests", "agreement", "detection", "readers")),
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "scores.json").read_text(encoding="utf-8"))["cases"] == 18
    text = page.read_text(encoding="utf-8")
    assert "Krippendorff" in text
    assert "data:image/png;base64," in text
    assert "<script" not in text


def test_tables_read_back(rating_study, tmp_path: Path) -> None:
    scored = rating_study({"real": 0.8, "a": 0.0}, readers=2, cases=4, seed=0)
    save(scored, score(scored), tmp_path)
    tables = {path.stem: pd.read_csv(path) for path in (tmp_path / "tables").iterdir()}
    assert len(tables["ratings"]) == 16
    assert {"criterion", "model", "share", "ci_low", "ci_high", "q1", "q3"} <= set(tables["summary"])
    assert len(tables["summary"]) == 2 * 5


def test_results_are_metrics_that_a_leaderboard_takes(rating_study, tmp_path: Path) -> None:
    scored = rating_study({"real": 0.8, "a": 0.0, "b": -0.8}, readers=3, cases=6, seed=0)
    found = score(scored)
    save(scored, found, tmp_path)
    runs = open_runs([tmp_path / "models" / "a", tmp_path / "models" / "b"])
    assert [run.report.model for run in runs] == ["a", "b"]
    report = Report.read(tmp_path / "models" / "a" / "results.json")
    values = {result.metric: result for result in report.results}
    assert list(values) == ["reader:realism", "reader:anatomy", "reader:image_quality", "reader:diagnostic_quality"]
    assert values["reader:realism"].value == found.criteria["realism"]["a"].share
    assert values["reader:anatomy"].value == found.criteria["anatomy"]["a"].mean
    assert values["reader:anatomy"].floor == found.criteria["anatomy"]["real"].mean
    assert all(result.better == "higher" for result in report.results)
    assert len({run.report.track for run in runs}) == 1


def test_two_studies_share_no_track(rating_study) -> None:
    tracks = []
    for readers in (2, 3):
        scored = rating_study({"real": 0.8, "a": 0.0}, readers=readers, cases=4, seed=0)
        tracks += [report.track for report in reports(scored, score(scored))]
    assert len(set(tracks)) == 2


def test_a_forced_choice_is_written_too(choice_study, tmp_path: Path) -> None:
    scored = choice_study(0.6, readers=2, pairs=10, seed=0)
    page = save(scored, score(scored), tmp_path)
    (result,) = Report.read(tmp_path / "models" / "a" / "results.json").results
    assert (result.metric, result.floor) == ("reader:choice", 0.5)
    assert "forced choice" in page.read_text(encoding="utf-8")
    assert not (tmp_path / "study.imrmc").exists()


def test_earlier_scores_are_replaced_and_nothing_else(rating_study, tmp_path: Path) -> None:
    scored = rating_study({"real": 0.8, "a": 0.0}, readers=2, cases=4, seed=0)
    save(scored, score(scored), tmp_path / "out")
    save(scored, score(scored), tmp_path / "out")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("")
    with pytest.raises(SpecError, match="holds no scores"):
        save(scored, score(scored), tmp_path / "other")
