"""Runs in one table: what is bold, what stands below, and what shares no column."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from leaderboard.views.paper import boards_of, paper_text
from medbench.errors import DataError, SpecError

HOSTILE = "=1+<b>_|&"


@pytest.fixture
def run(make_result: Any, save_run: Any, replicates: Any) -> Any:
    """Write a run with values of metrics, each of eight groups that vary a little."""

    def make(name: str, values: dict[str, float], *, protocol: Any = None, floor: float = 0.3, **fields: Any) -> Path:
        results = [
            make_result(
                metric,
                value,
                ci95=(value - 0.2, value + 0.2),
                floor=floor,
                cases=None,
                protocol=protocol,
                replicates=replicates([value] * 8, [value + 0.02 * (-1) ** group for group in range(8)]),
            )
            for metric, value in values.items()
        ]
        return save_run(name, *results, **{"track": "toy/0123456789ab", **fields})

    return make


def text(runs: list[Path], kind: str, *metrics: str) -> str:
    return paper_text(boards_of(runs, metrics=metrics), kind, metrics=metrics)


def test_the_best_is_bold_only_where_chance_leaves_it_alone(run: Any) -> None:
    runs = [
        run("a", {"fid25d": 1.0, "hu": 5.0}),
        run("b", {"fid25d": 3.0, "hu": 5.001}),
        run("c", {"fid25d": 9.0}),
    ]
    lines = text(runs, "md").splitlines()
    assert lines[2] == "| run | fid25d ↓ | hu ↓ |"
    assert lines[4] == r"| a | **1.00** \[0.800, 1.20\] | 5.00 \[4.80, 5.20\] |"
    assert lines[6] == r"| c | 9.00 \[8.80, 9.20\] | - |"
    assert lines[7] == "| real (floor) | 0.300 | 0.300 |"
    assert "- Volumes (real/synthetic): 8/6." in lines
    assert re.findall(r"\\textbf\{(.*?)\}", text(runs, "latex")) == ["1.00"]


def test_one_run_alone_is_not_best(run: Any) -> None:
    assert "**1.00**" not in text([run("a", {"fid25d": 1.0})], "md")


def test_columns_stand_in_the_order_asked_for(run: Any) -> None:
    runs = [run("a", {"fid25d": 1.0, "hu": 5.0, "rvr": 1.0}), run("b", {"fid25d": 3.0, "hu": 5.0, "rvr": 1.0})]
    assert "| run | rvr ↓ | fid25d ↓ |" in text(runs, "md", "rvr", "fid25d")
    assert "hu" not in text(runs, "latex", "rvr", "fid25d")


def test_values_of_other_protocols_have_a_column_of_their_own(run: Any) -> None:
    runs = [run("a", {"fid25d": 1.0}), run("b", {"fid25d": 3.0}, protocol={"n_synthetic": 4})]
    headings = text(runs, "md").splitlines()[2]
    assert re.fullmatch(r"\| run \| fid25d ↓ \(8/\d, \w{4}\) \| fid25d ↓ \(8/\d, \w{4}\) \|", headings)
    assert "**" not in text(runs, "md").partition("| run")[2]


def test_runs_of_other_tracks_have_a_table_of_their_own(run: Any) -> None:
    runs = [run("a", {"fid25d": 1.0}), run("b", {"hu": 3.0}, track="toy/ba9876543210")]
    assert text(runs, "md", "fid25d", "hu").count("| run |") == 2
    assert text(runs, "latex").count(r"\begin{table}") == 2


def test_runs_of_one_model_are_told_apart_by_their_names(run: Any) -> None:
    runs = [run("a", {"fid25d": 1.0}, model="m"), run("b", {"fid25d": 3.0}, model="m")]
    assert "| m (a) |" in text(runs, "md")


def test_floors_that_differ_are_a_range(run: Any) -> None:
    runs = [run("a", {"fid25d": 1.0}, floor=0.1), run("b", {"fid25d": 3.0}, floor=0.2)]
    assert "| real (floor) | 0.100 to 0.200 |" in text(runs, "md")


def test_the_table_is_data_as_csv(run: Any) -> None:
    rows = list(csv.DictReader(io.StringIO(text([run("a", {"fid25d": 1.0}), run("b", {"fid25d": 3.0})], "csv"))))
    assert [(row["run"], row["value"], row["ci_low"], row["floor"], row["rank"]) for row in rows] == [
        ("a", "1.0", "0.8", "0.3", "1"),
        ("b", "3.0", "2.8", "0.3", "2"),
    ]


def test_names_are_no_markup(run: Any) -> None:
    runs = [run("a", {"fid25d": 1.0}, model=HOSTILE), run("b", {"fid25d": -0.000014}, model="b")]
    assert r"=1+&lt;b&gt;\_\|&amp;" in text(runs, "md")
    assert r"=1+\textless{}b\textgreater{}\_\textbar{}\&" in text(runs, "latex")
    assert r"$-1.40\cdot10^{-5}$" in text(runs, "latex")


def test_what_cannot_stand_in_a_table_is_refused(run: Any, tmp_path: Path) -> None:
    one = run("a", {"fid25d": 1.0})
    with pytest.raises(SpecError, match="are the same run"):
        boards_of([one, one / "results.json"], metrics=())
    with pytest.raises(SpecError, match="no run has a number of 'rvr': choose from fid25d"):
        boards_of([one], metrics=["rvr"])
    with pytest.raises(DataError, match="does not exist"):
        boards_of([one, tmp_path / "nowhere"], metrics=())


@pytest.mark.slow
def test_latex_sets_the_table_with_booktabs_alone(run: Any, tmp_path: Path) -> None:
    program = shutil.which("pdflatex") or pytest.skip("needs pdflatex: apt-get install texlive-latex-base")
    runs = [run("a", {"fid25d": 1.0, "hu": -0.000014}, model=HOSTILE), run("b", {"fid25d": 3.0, "hu": 5.0})]
    lines = [r"\documentclass{article}", r"\usepackage{booktabs}", r"\begin{document}", text(runs, "latex")]
    (tmp_path / "paper.tex").write_text("\n".join([*lines, r"\end{document}"]), encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout
