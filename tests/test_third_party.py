"""A metric that nobody here knows has its figure, its paired test and its weights like a built-in one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import medbench
from leaderboard.comparison.compare import compare, open_runs
from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume
from medbench.records.results import Report, Result
from medbench.report.html import write_report

SHAPE = (16, 16, 8)
METRIC = f"{Path(__file__).with_name('their_metric.py')}:Density"


def _volumes(folder: Path, seeds: range, *, shift: float = 0.0) -> Path:
    for seed in seeds:
        volume, _ = generate(seed, SHAPE)
        hu = volume.voxels + np.random.default_rng(seed).normal(shift, 5, SHAPE)
        Volume(np.rint(hu).astype(np.int16), volume.affine).write(folder / f"{seed}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _volumes(tmp_path_factory.mktemp("third") / "real", range(6))


@pytest.fixture(scope="module")
def runs(real: Path) -> dict[str, Path]:
    """Two runs that were made from the same cases, the second one less dense; a built-in metric beside theirs."""
    found = {}
    for name, shift in (("near", 10), ("far", 60)):
        samples = _volumes(real.parent / name, range(10, 16), shift=shift)
        found[name] = real.parent / f"{name}-out"
        medbench.evaluate(samples, real=real, metrics=["fid25d", METRIC], device="cpu", out=found[name])
    return found


def _result(run: Path) -> Result:
    return next(result for result in Report.read(run / "results.json").results if result.metric == "density")


def test_its_figures_are_drawn_and_shown_with_their_words(runs: dict[str, Path]) -> None:
    run = runs["near"]
    result = _result(run)
    # The name "planes" is taken by a built-in metric; a figure that could not be drawn is left out.
    assert [figure.file for figure in result.figures] == ["figures/density.png", "figures/density_planes.png"]
    there = {path.name for path in (run / "figures").iterdir()}
    assert there == {"montage.png", "planes.png", "density.png", "density_planes.png"}
    page = write_report(run).read_text(encoding="utf-8")
    assert all(words in page for words in ("Every sample&#39;s distance.", "The same in the dark.", result.summary))
    assert "Never seen." not in page


def test_the_report_takes_figures_as_they_are(runs: dict[str, Path]) -> None:
    drawn = {path: path.stat().st_mtime_ns for path in (runs["near"] / "figures").iterdir()}
    write_report(runs["near"])
    assert {path: path.stat().st_mtime_ns for path in (runs["near"] / "figures").iterdir()} == drawn


def test_two_runs_are_compared_case_by_case(runs: dict[str, Path]) -> None:
    rows, apart = compare(open_runs([runs["far"], runs["near"]]))
    assert apart == []
    row = next(row for row in rows if row.metric == "density")
    assert row.test.startswith("paired permutation of 6 cases")
    assert row.difference == pytest.approx(row.value_a - row.value_b)
    assert row.ci95 is not None and row.p_value is not None


def test_the_hash_of_its_weights_enters_its_fingerprint(
    real: Path, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = _result(runs["near"])
    assert absent.protocol["scale"] == "absent"
    (tmp_path / "scale.txt").write_text("2", encoding="utf-8")
    monkeypatch.setenv("MEDBENCH_WEIGHTS_DENSITY_SCALE", str(tmp_path / "scale.txt"))
    [there] = medbench.evaluate(real.parent / "near", real=real, metrics=[METRIC], device="cpu").results
    assert there.value == pytest.approx(2 * absent.value)
    assert len(there.protocol["scale"]) == 64 and there.fingerprint != absent.fingerprint
