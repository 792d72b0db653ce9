"""results.json: the keys of the contract, strictly read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from medbench.errors import DataError
from medbench.records.results import Budget, Report, Result, Skipped

RESULT = Result(
    metric="fid25d",
    value=3.1,
    ci95=(2.7, 3.6),
    ci_method="subject subsampling",
    floor=0.4,
    better="lower",
    unit=None,
    n_real=64,
    n_synthetic=16,
    parts={"xy": 3.0, "lung_left": {"ks": 0.2}},
    fingerprint="0123456789ab",
    protocol={"metric": "fid25d"},
    seconds=12.3,
    table="tables/fid25d.csv",
)
REPORT = Report(
    run="run",
    model="medlord",
    model_version="1",
    dataset="phantom",
    track="phantom/0123456789ab",
    budget=Budget(limit_bytes=24 * 1024**3, kind="absent", card="none", within=None),
    results=(RESULT,),
    skipped=(Skipped(metric="rvr", reason="no masks"),),
)


def test_a_report_survives_the_disk(tmp_path: Path) -> None:
    assert Report.read(REPORT.save(tmp_path)) == REPORT


def test_the_file_has_the_keys_of_the_contract(tmp_path: Path) -> None:
    document = json.loads(REPORT.save(tmp_path).read_text(encoding="utf-8"))
    assert document["schema"] == 1
    head = {"schema", "run", "model", "model_version", "dataset", "track", "budget", "leaks", "results", "skipped"}
    assert head <= set(document)
    number = {"metric", "value", "ci95", "ci_method", "floor", "better", "unit", "n_real", "n_synthetic", "parts"}
    assert number | {"fingerprint", "protocol", "seconds", "table"} <= set(document["results"][0])
    assert {"limit_bytes", "kind", "card", "within", "stages", "predicted"} == set(document["budget"])


def test_nan_is_no_result() -> None:
    with pytest.raises(ValidationError, match="finite"):
        Result.model_validate(RESULT.model_dump() | {"value": float("nan")})


def test_the_frame_has_a_row_for_every_figure() -> None:
    frame = REPORT.frame()
    assert frame["part"].tolist() == ["", "xy", "lung_left.ks"]
    assert frame.loc[0, ["value", "ci_low", "ci_high", "floor"]].tolist() == [3.1, 2.7, 3.6, 0.4]


def test_absent_and_foreign_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        Report.read(tmp_path / "results.json")
    (tmp_path / "results.json").write_text('{"schema": 2}')
    with pytest.raises(DataError, match=r"written by a newer medbench \(schema 2, this one reads 1\): update it"):
        Report.read(tmp_path / "results.json")
    (tmp_path / "results.json").write_text('{"schema": 0}')
    with pytest.raises(DataError, match=r"no results\.json of schema 1 \(.+\): run the command"):
        Report.read(tmp_path / "results.json")


def test_the_first_schema_stays_readable() -> None:
    kept = Path(__file__).parents[2] / "data" / "results_schema1.json"
    assert Report.read(kept).results[0].metric == "fid25d"
