"""A run says which stored files it reads, and whether it is finished."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from medbench.storage import uses
from medbench.storage.seals import seal_of, sealed_path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_what_a_run_reads_is_noted_relative_to_home_until_its_folder_goes(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    uses.begin(run, [home / "prepared" / "a", tmp_path / "elsewhere"])
    (use,) = uses.uses()
    assert use.folder == run.resolve() and use.files == {"prepared/a"} and use.needs_files
    uses.finish(run, [home / "cache" / "b"])
    (use,) = uses.uses()
    assert use.files == {"cache/b"} and not use.needs_files
    shutil.rmtree(run)
    assert uses.uses() == []


def test_shards_of_one_run_add_to_what_it_reads(home: Path, tmp_path: Path) -> None:
    uses.begin(tmp_path, [home / "prepared" / "a"])
    (first,) = uses.uses()
    uses.begin(tmp_path, [home / "prepared" / "b"])
    (both,) = uses.uses()
    assert both.files == {"prepared/a", "prepared/b"} and both.begun == first.begun
    uses.finish(tmp_path, [home / "prepared" / "b"])
    uses.begin(tmp_path, [])
    (again,) = uses.uses()
    assert not again.files


def test_a_damaged_note_is_nobodys(home: Path) -> None:
    (home / "uses").mkdir(parents=True)
    (home / "uses" / "x.json").write_text("{")
    assert uses.uses() == []


def test_using_a_file_makes_its_seal_young(home: Path) -> None:
    with sealed_path(home / "file", "key") as temporary:
        temporary.write_bytes(b"x")
    os.utime(seal_of(home / "file"), (0, 0))
    uses.touch(home / "file")
    uses.touch(home / "absent")
    assert seal_of(home / "file").stat().st_mtime > 0
