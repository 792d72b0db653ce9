"""What can be made again is shown and removed; what an unfinished run needs stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from medbench.errors import SpecError
from medbench.storage import uses
from medbench.storage.seals import seal_of, sealed_path
from medbench.storage.stock import prune, stock

DAY = 86_400.0
NOW = 1_000 * DAY


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def _store(path: Path, *, days_ago: float) -> Path:
    with sealed_path(path, "key") as temporary:
        temporary.write_bytes(bytes(1000))
    for each in (path, seal_of(path)):
        os.utime(each, (NOW - days_ago * DAY,) * 2)
    return path


def _run(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.fixture
def files(home: Path) -> dict[str, Path]:
    trained = home / "cache" / "downstream" / "0123456789ab" / "arm" / "weights"
    trained.parent.mkdir(parents=True)
    trained.write_bytes(bytes(10))
    os.utime(trained, (NOW - 90 * DAY,) * 2)
    return {
        "prepared": _store(home / "prepared" / "phantom-1" / "test" / "a.nii.gz", days_ago=50),
        "old": _store(home / "cache" / "features" / "ab" / "abc.npz", days_ago=50),
        "new": _store(home / "cache" / "features" / "cd" / "cde.npz", days_ago=1),
        "trained": trained.parents[1],
    }


def test_stock_names_everything_once_with_its_kind_size_and_age(home: Path, files: dict[str, Path]) -> None:
    found = {one.name: one for one in stock()}
    assert set(found) == {path.relative_to(home).as_posix() for path in files.values()}
    old = found["cache/features/ab/abc.npz"]
    assert old.kind == "cache/features" and old.used == NOW - 50 * DAY
    assert old.bytes == 1000 + seal_of(files["old"]).stat().st_size
    assert found["prepared/phantom-1/test/a.nii.gz"].kind == "prepared/phantom-1"
    assert found["cache/downstream/0123456789ab"].bytes == 10


def test_pruning_by_age_takes_what_was_not_used_for_so_long(files: dict[str, Path]) -> None:
    assert len(prune(now=NOW, older_than_days=30, dry=True).removed) == 3
    assert all(path.exists() for path in files.values())
    prune(now=NOW, older_than_days=30)
    assert [name for name, path in files.items() if path.exists()] == ["new"]
    assert not seal_of(files["old"]).exists()


def test_what_an_unfinished_run_needs_or_used_since_it_began_stays(
    tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = _run(tmp_path / "run")
    monkeypatch.setattr("time.time", lambda: NOW - 2 * DAY)
    uses.begin(run, [files["old"]])
    done = prune(now=NOW, older_than_days=0)
    assert {Path(one.name).name for one in done.needed} == {"abc.npz", "cde.npz"} and done.holders == [run.resolve()]
    assert files["old"].exists() and files["new"].exists() and not files["prepared"].exists()
    uses.finish(run, [files["old"]])
    prune(now=NOW, older_than_days=0)
    assert not files["old"].exists()


def test_pruning_a_run_takes_what_it_alone_used(tmp_path: Path, files: dict[str, Path]) -> None:
    one, other = _run(tmp_path / "one"), _run(tmp_path / "other")
    uses.finish(one, [files["old"], files["new"], files["trained"]])
    uses.finish(other, [files["new"], files["prepared"]])
    prune(now=NOW, run=one)
    assert [name for name, path in files.items() if path.exists()] == ["prepared", "new"]


def test_pruning_without_a_wish_or_of_an_unknown_run_is_refused(tmp_path: Path, files: dict[str, Path]) -> None:
    with pytest.raises(SpecError, match="--older-than"):
        prune(now=NOW)
    with pytest.raises(SpecError, match="nothing is known"):
        prune(now=NOW, run=tmp_path / "unknown")
    assert all(path.exists() for path in files.values())
