"""What is needed on the disk is said where it is much, and refused where it cannot fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medbench.errors import StorageError
from medbench.pipeline.disk import Need, features_needed, of_track, require, volumes_needed
from medbench.pipeline.options import TrackOptions
from medbench.pipeline.track import Track
from medbench.progress import silent
from medbench.spec import Protocol, SliceProtocol


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch):
    def set_free(size: float) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=size))

    return set_free


def test_much_is_said_with_its_parts_and_little_is_not(tmp_path: Path, free, noting: Any) -> None:
    free(100e9)
    told = noting()
    require([volumes_needed(tmp_path / "run", "samples", 2, (64, 64, 32))], told)
    assert told.notes == []
    large = volumes_needed(tmp_path / "run", "samples", 88, (512, 512, 256))
    require([large, Need(tmp_path, "features", 1e9, 1e9)], told)
    (line,) = told.notes
    assert "about 8.1 GB" in line and "88 samples, features" in line and "100.0 GB are free" in line


def test_needs_on_one_disk_are_added_up(tmp_path: Path, free) -> None:
    free(15e8)
    needs = [Need(tmp_path / "a", "this", 1e9, 1e9), Need(tmp_path / "b", "that", 1e9, 1e9)]
    require(needs[:1], silent)
    with pytest.raises(StorageError, match=r"this, that need at least 2\.00 GB more"):
        require(needs, silent)


def test_what_may_not_be_enough_is_said_and_not_refused(tmp_path: Path, free, noting: Any) -> None:
    free(3e9)
    told = noting()
    require([volumes_needed(tmp_path, "samples", 88, (512, 512, 256))], told)
    assert "will not be enough" in told.notes[0]


def test_features_are_counted_for_metrics_that_ask_for_them() -> None:
    protocol = Protocol(name="p", summary="s", slices=SliceProtocol(centre_ratio=0.5))
    (need,) = features_needed(["fid25d", "kid25d"], protocol, 3, (64, 64, 32))
    assert need.least_bytes == 4 * 120 * 3 * (32 + 32 + 16)
    assert not list(features_needed(["hu"], protocol, 3, (64, 64, 32)))


def test_a_track_needs_what_is_not_prepared_yet(toy_dataset: str, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
    track = Track.open(TrackOptions(dataset=toy_dataset))
    waiting, _ = of_track(track, ["fid25d"], (32, 32, 16), more=5)
    assert waiting.what == "12 prepared volumes"
    track.real(silent)
    waiting, features = of_track(track, ["fid25d"], (32, 32, 16), more=5)
    assert waiting.least_bytes == 0 and features.what == "features of 5 volumes"
