"""A run as trackers take it."""

from __future__ import annotations

from collections.abc import Callable

from medbench.spec import fingerprint
from medbench.tracking.entry import TrackedRun


def test_numbers_tags_and_files_are_all_there(tracked: Callable[..., TrackedRun]) -> None:
    run = tracked()
    assert run.numbers == {
        "fid25d": 3.5,
        "fid25d/ci_low": 3.0,
        "fid25d/ci_high": 4.0,
        "fid25d/floor": 0.5,
        "fid25d/n_real": 8,
        "fid25d/n_synthetic": 6,
        "fid25d/xy": 3.0,
        "fid25d/lung (left)/ks": 0.25,
    }
    assert run.tags == {
        "run": "a run",
        "model": "mine",
        "model_version": "2",
        "dataset": "toy",
        "track": "toy/0123456789ab",
        "leaks": "saw it all",
        "stand_ins": "seeded-resnet",
        "fingerprint/fid25d": fingerprint({"metric": "fid25d"}),
        "skipped/rvr": "no masks | no regions",
    }
    assert list(run.figures) == ["planes"]
    assert [path.name for path in run.files] == ["results.json", "report.html"]


def test_a_run_has_one_key_whatever_it_scores(tracked: Callable[..., TrackedRun]) -> None:
    assert tracked().key == tracked(value=1.0).key != tracked("another").key
