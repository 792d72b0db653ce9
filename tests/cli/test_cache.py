"""``medbench cache``: what is stored, and removing what no run needs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medbench.storage import uses
from medbench.storage.seals import seal_of, sealed_path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    for name in ("ab", "cd"):
        with sealed_path(tmp_path / "home" / "cache" / "features" / name / f"{name}.npz", "key") as temporary:
            temporary.write_bytes(bytes(1000))
    return tmp_path / "home"


def test_show_sums_up_kinds_and_runs(home: Path, tmp_path: Path, medbench) -> None:
    uses.begin(tmp_path, [home / "cache" / "features" / "ab" / "ab.npz"])
    found = json.loads(medbench("cache", "show", "--json").stdout)
    (kind,) = found["kinds"]
    assert kind["kind"] == "cache/features" and kind["files"] == 2 and kind["bytes"] > 2000
    (run,) = found["runs"]
    assert run["run"] == str(tmp_path.resolve()) and run["state"].startswith("unfinished")
    assert run["bytes"] == run["own_bytes"] > 1000
    assert "cache/features" in medbench("cache", "show").stdout


def test_prune_keeps_what_an_unfinished_run_needs_and_says_for_whom(home: Path, tmp_path: Path, medbench) -> None:
    uses.begin(tmp_path, [home / "cache" / "features" / "ab" / "ab.npz"])
    shown = medbench("cache", "prune", "--older-than", "0", "--dry-run")
    assert shown.returncode == 0 and "would go: 1 files" in shown.stdout and str(tmp_path) in shown.stdout
    found = json.loads(medbench("cache", "prune", "--older-than", "0", "--json").stdout)
    assert found["removed"]["files"] == 1 and found["needed"]["files"] == 1
    assert [path.name for path in home.glob("cache/features/*/*.npz")] == ["ab.npz"]


def test_prune_without_a_wish_is_refused(home: Path, medbench, refused) -> None:
    assert "--older-than" in refused(medbench("cache", "prune"))


def test_verify_names_what_is_damaged_and_lets_it_be_made_again(home: Path, medbench) -> None:
    assert "all are what was written" in medbench("cache", "verify").stdout
    entry = home / "cache" / "features" / "ab" / "ab.npz"
    entry.write_bytes(b"1" + bytes(999))
    found = medbench("cache", "verify", "--json")
    assert found.returncode == 2 and json.loads(found.stdout) == {"damaged": ["cache/features/ab/ab.npz"]}
    assert "ab.npz is damaged" in found.stderr
    assert not seal_of(entry).exists()
