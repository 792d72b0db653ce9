from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.replicate.paper import Paper, load_paper, papers
from leaderboard.reported.rows import reported_rows
from medbench import registry
from medbench.errors import MedbenchError

TOML = """
name = "mine"
title = "Mine"
cite = "me"
data = "mine"
source = "mine"
published = {}
parts = [{kind = "samples", id = "one", title = "one", run = "samples"}]
[tracks.toy]
dataset = "phantom"
presets = ["tiny"]
note = "a toy"
[runs.samples]
title = "samples"
"""


@pytest.mark.parametrize("paper", papers(), ids=lambda paper: paper.name)
def test_what_a_paper_names_is_there(paper: Paper) -> None:
    metrics = registry.names("metrics")
    assert all(metric in metrics for kind in paper.runs.values() for metric in kind.metrics)
    assert all(track.dataset in registry.names("datasets") for track in paper.tracks.values())
    reported = {row.metric for row in reported_rows(source=paper.source)}
    for part in paper.parts:
        asked = [*getattr(part, "scores", ()), *getattr(part, "overlaps", ())]
        assert all(one.metric in metrics and one.reported in reported for one in asked)


def test_every_reported_model_and_structure_has_a_place() -> None:
    paper = load_paper("MedLoRD")
    rows = reported_rows(source=paper.source)
    assert {row.model for row in rows} - {"Real data"} == set(paper.published.values())
    structures = {name for part in paper.parts for name in getattr(part, "structures", ())}
    assert structures == {row.structure for row in rows if row.structure}


def test_a_paper_of_ones_own_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TOML, encoding="utf-8")
    paper = load_paper(str(tmp_path / "mine.toml"))
    assert paper.track(None)[0] == "toy"
    with pytest.raises(MedbenchError, match="choose from toy"):
        paper.track("luna")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("title = ", "titel = "), "mine.toml: title: Field required"),
        (('run = "samples"', 'run = "other"'), "part 'one' is of the run 'other'"),
        (('kind = "samples"', 'kind = "poem"'), "parts.0"),
        (("[tracks.toy]", "[tracks.toy"), "no TOML file"),
    ],
)
def test_a_file_that_is_none_is_refused_in_a_line(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    (tmp_path / "mine.toml").write_text(TOML.replace(*change), encoding="utf-8")
    with pytest.raises(MedbenchError) as refusal:
        load_paper(str(tmp_path / "mine.toml"))
    assert words in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["nobody", "../medlord", "absent.toml"])
def test_an_unknown_paper_is_refused(name: str) -> None:
    with pytest.raises(MedbenchError, match="--list"):
        load_paper(name)
