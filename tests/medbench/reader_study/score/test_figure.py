from __future__ import annotations

from pathlib import Path

from matplotlib.image import imread

from medbench.reader_study.score.figure import draw
from medbench.reader_study.score.score import score


def test_a_bar_a_source_and_a_panel_a_criterion(rating_study, choice_study, tmp_path: Path) -> None:
    for name, scored in (
        ("rating", rating_study({"real": 0.8, "a": 0.0, "b": -0.8}, readers=2, cases=4, seed=0)),
        ("choice", choice_study(0.6, readers=2, pairs=6, seed=0)),
    ):
        found = score(scored)
        draw(scored.study.criteria, found.criteria, tmp_path / f"{name}.png", about="two readers")
        picture = imread(tmp_path / f"{name}.png")
        assert picture.shape[1] == 1800
        assert picture[..., :3].min() < 0.3


def test_equal_studies_give_equal_figures(rating_study, tmp_path: Path) -> None:
    for name in ("one", "other"):
        scored = rating_study({"real": 0.8, "a": 0.0}, readers=2, cases=4, seed=0)
        draw(scored.study.criteria, score(scored).criteria, tmp_path / f"{name}.png", about="")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()
