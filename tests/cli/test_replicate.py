"""``medbench replicate`` as a user meets it; tests/leaderboard/replicate has the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_the_list_names_papers_tracks_and_data(medbench: Callable[..., Any]) -> None:
    rows = json.loads(medbench("replicate", "--list", "--json").stdout)
    assert {row["name"] for row in rows} >= {"medlord", "crf-gan", "med-lsdm"}
    assert next(row["tracks"] for row in rows if row["name"] == "medlord") == ["phantom", "luna", "pccta"]
    assert "2503.13211" in medbench("replicate", "--list").stdout


def test_what_is_absent_comes_first_and_the_page_has_the_reported_numbers(
    medbench: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = medbench("replicate", "medlord", "--track", "luna", "--models", "medlord", "--out", out)
    assert found.returncode == 2
    assert "data luna" in found.stdout
    assert "data fetch luna" in found.stdout
    assert "weights radimagenet-resnet50" in found.stdout
    assert "medbench: nothing could be run: data luna" in found.stderr
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.index("What is absent") < page.index("Table 1")
    assert "40.634 (7.22)" in page


def test_unknown_names_are_refused(medbench: Callable[..., Any], refused: Callable[..., Any]) -> None:
    assert "--list" in refused(medbench("replicate", "unknown"))
    assert "--list" in refused(medbench("replicate"))
    assert "choose from phantom" in refused(medbench("replicate", "medlord", "--track", "mars"))
