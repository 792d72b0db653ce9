"""A paper about a toy, replicated from the first run to the page; the real one is slow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from leaderboard.replicate.paper import Paper, load_paper
from leaderboard.replicate.replicate import Replicated, Replication
from leaderboard.replicate.runs import ReplicateOptions
from medbench.progress import silent


@pytest.fixture
def paper(toy_dataset: str) -> Paper:
    return Paper.model_validate(
        {
            "name": "toys",
            "title": "Toys <script>alert(1)</script>",
            "cite": "nobody",
            "data": "none",
            "source": "MedLoRD paper",
            "published": {"toy": "MedLoRD", "real": "Real"},
            "tracks": {"toy": {"dataset": toy_dataset, "presets": ["tiny"], "note": "a toy"}},
            "runs": {"samples": {"title": "samples", "metrics": ["fid25d", "reconstruction"]}},
            "parts": [
                {
                    "kind": "scores", "id": "table-1", "title": "FID", "run": "samples",
                    "scores": [{"title": "FID", "metric": "fid25d", "reported": "FID_2.5D_RadImageNet"}],
                },
                {"kind": "samples", "id": "figure-2", "title": "samples", "run": "samples"},
                {"kind": "pictures", "id": "a1", "title": "pairs", "run": "samples", "metric": "reconstruction"},
                {"kind": "beyond", "id": "beyond", "title": "besides", "run": "samples", "against": "toy"},
            ],
        }
    )  # fmt: skip


@pytest.fixture
def replicate(paper: Paper, tmp_path: Path, toy_generator: str) -> Callable[[], Replicated]:
    options = ReplicateOptions(
        paper=paper, models=(toy_generator,), out=tmp_path / "out", budget_bytes=2**34, device="cpu", workers=1
    )
    return lambda: Replication(options, silent).make()


def test_a_page_lays_what_was_measured_beside_what_was_reported(replicate: Callable[[], Replicated]) -> None:
    made = replicate()
    page = made.page.read_text(encoding="utf-8")
    finished = made.runs["samples"]["toy"]
    result = finished.result("fid25d")
    assert result is not None
    assert f"{result.value:.3g}"[:4] in page
    assert "3.62" in page  # MedLoRD on LUNA, as reported
    assert page.count("data:image/png;base64,") == 2
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").replace("https://download.pytorch.org", "")
    assert {path.name for path in (made.page.parent / "tables").iterdir()} >= {"table-1.csv", "beyond-values.csv"}
    assert (made.page.parent / "latex" / "table-1.tex").is_file()
    record = finished.folder / "run.json"
    before = json.loads(record.read_text(encoding="utf-8"))["stages"]
    assert replicate().page == made.page
    assert json.loads(record.read_text(encoding="utf-8"))["stages"] == before, "a run was made twice"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_papers_tables_and_figures_on_the_phantom(tmp_path: Path) -> None:
    options = ReplicateOptions(
        paper=load_paper("medlord"), models=("medlord", "ha-gan"), samples=6, out=tmp_path / "out", budget_bytes=2**34,
        device="cpu",
    )  # fmt: skip
    made = Replication(options, silent).make()
    assert set(made.runs["samples"]) == {"medlord", "ha-gan"}
    assert set(made.runs["steered"]) == {"medlord"}
    figures = {path.stem for path in (tmp_path / "out" / "figures").iterdir()}
    assert figures == {"figure-2", "figure-3", "figure-a2"}
    tables = {path.stem for path in (tmp_path / "out" / "tables").iterdir()}
    assert {f"table-{number}" for number in (1, 2, 3)} <= tables
    assert (tmp_path / "out" / "readers" / "packet" / "study.json").is_file()
    page = made.page.read_text(encoding="utf-8")
    assert all(f'id="{part.id}"' in page for part in options.paper.parts)
