"""``medbench table`` as a user meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def runs(
    folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory, medbench: Callable[..., Any]
) -> list[Path]:
    out = tmp_path_factory.mktemp("runs")
    for name in ("near", "far"):
        arguments = (
            "--real",
            folders["real"],
            "--metrics",
            "fid25d,kid25d",
            "--out",
            out / name,
            "--leaderboard",
            "none",
        )
        assert medbench("evaluate", folders[name], *arguments, "--quiet").returncode == 0
    return [out / "near", out / "far"]


def test_a_table_for_each_reader(runs: list[Path], tmp_path: Path, medbench: Callable[..., Any]) -> None:
    shown = medbench("table", *runs, "--metrics", "fid25d")
    assert shown.returncode == 0, shown.stderr
    assert "| run | fid25d ↓ |" in shown.stdout.splitlines()
    assert "kid25d" not in shown.stdout
    assert shown.stderr == ""
    written = medbench("table", *runs, "--format", "latex", "--out", tmp_path / "table.tex")
    assert written.stdout == f"latex: {tmp_path / 'table.tex'}\n"
    assert r"\begin{tabular}{lrr}" in (tmp_path / "table.tex").read_text(encoding="utf-8")
    (fid, kid) = json.loads(medbench("table", *runs, "--json").stdout)
    assert (fid["metric"], kid["metric"]) == ("fid25d", "kid25d")
    assert {row["model"] for row in fid["rows"]} == {"near", "far"}
    assert all(row["floor"] is not None and row["ci95"] for row in fid["rows"])


def test_what_is_no_table_is_refused(runs: list[Path], tmp_path: Path, medbench: Any, refused: Any) -> None:
    assert "--format html: choose from md, csv, latex" in refused(medbench("table", *runs, "--format", "html"))
    assert "does not exist" in refused(medbench("table", tmp_path / "nowhere"))
    assert "same run" in refused(medbench("table", runs[0], runs[0]))
