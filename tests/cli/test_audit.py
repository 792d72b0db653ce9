"""``medbench audit-metrics`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.main import app

BRIGHT = """
from medbench.metrics.base import Measurement, MetricInfo

class Bright:
    info = MetricInfo(name="bright", version="1", summary="s", better="lower", unit="HU", min_real=2,
                      min_synthetic=2, source="tests", floor="none")

    def measure(self, evidence):
        values = [float(volume.voxels.mean()) for volume in evidence.synthetic.volumes()]
        mean = sum(values) / len(values)
        return Measurement(mean, (mean - 15, mean + 15) if evidence.intervals else None, "made up")
"""


def medbench(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def metric(tmp_path: Path) -> str:
    (tmp_path / "bright.py").write_text(BRIGHT, encoding="utf-8")
    return f"{tmp_path / 'bright.py'}:Bright"


def test_the_document_and_the_table(metric: str, toy_dataset: str, tmp_path: Path) -> None:
    arguments = ("audit-metrics", "--dataset", toy_dataset, "--metrics", f"{metric},rvr", "--workers", 1, "--quiet")
    found = medbench(*arguments, "--out", tmp_path / "out", "--json")
    assert found.exit_code == 0, found.stderr
    rows = {row["damage"]: row for row in json.loads(found.stdout)}
    shift = rows["hu_shift"]
    assert {"metric", "damage", "strengths", "values", "rank_correlation", "detected_from"} <= set(shift)
    assert shift["strengths"] == [0, 10, 20, 40, 80]
    assert shift["rank_correlation"] == pytest.approx(1.0)
    assert shift["detected_from"] == 20
    assert "left out: rvr: " in found.stderr
    again = medbench(*arguments, "--out", tmp_path / "out")
    assert again.exit_code == 0
    assert "HU shift" in again.stdout
    assert "[mm]" in again.stdout
    assert "left out: rvr: " in again.stdout


def test_bad_input_gets_one_line(metric: str, toy_dataset: str, tmp_path: Path) -> None:
    dataset = ("--dataset", toy_dataset, "--workers", 1)
    for arguments, words in (
        ((*dataset, "--metrics", "fid2d"), "did you mean fid25d"),
        ((*dataset, "--metrics", metric, "--region", "tail"), "no held-out mask names the structure 'tail'"),
        (("--dataset", "luna"), "--data-root"),
    ):
        found = medbench("audit-metrics", *arguments, "--quiet", "--out", tmp_path / "out")
        assert found.exit_code == 2
        assert found.stdout == ""
        assert len(found.stderr.splitlines()) == 1
        assert words in found.stderr
