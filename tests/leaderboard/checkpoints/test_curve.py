"""The curve: one panel a metric, a picture of a size, the same bytes again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from leaderboard.checkpoints.choice import choose
from leaderboard.checkpoints.curve import draw


def height(path: Path) -> int:
    with Image.open(path) as picture:
        return picture.height


def test_each_metric_has_a_panel(judged: Any, make_result: Any, tmp_path: Path) -> None:
    one = judged(3.0, None, 1.0, ci95=(0.5, 3.5), floor=0.2)
    draw(one, choose(one, None, tmp_path), tmp_path / "one.png")
    more = make_result("rvr", -1.0, unit="SD")
    two = [
        replace(each, report=each.report and each.report.model_copy(update={"results": (*each.report.results, more)}))
        for each in one
    ]
    draw(two, choose(one, None, tmp_path), tmp_path / "two.png")
    assert height(tmp_path / "two.png") > 1.7 * height(tmp_path / "one.png")
    draw(one, choose(one, None, tmp_path), tmp_path / "again.png")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "one.png").read_bytes()


def test_checkpoints_without_steps_stand_by_name(judged: Any, tmp_path: Path) -> None:
    found = judged(*range(1, 41))
    named = [replace(one, checkpoint=replace(one.checkpoint, step=None)) for one in found]
    draw(named, choose(found[:2], None, tmp_path), tmp_path / "curve.png")
    assert height(tmp_path / "curve.png") > 300
