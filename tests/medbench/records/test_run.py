"""run.json: one spec a folder, every stage with its end, and a log of finished tasks."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.errors import SpecError
from medbench.progress import silent
from medbench.records.run import Logged, RunFolder


def test_a_folder_holds_one_spec(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    record = folder.open(kind="run", spec={"model": "a", "seed": 0})
    assert folder.open(kind="run", spec={"seed": 0, "model": "a"}) == record == folder.read()
    with pytest.raises(SpecError, match=r"a run of another spec \(different: seed\)"):
        folder.open(kind="run", spec={"model": "a", "seed": 1})


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SpecError, match="is not empty and holds no run"):
        RunFolder(tmp_path).open(kind="run", spec={})
    with pytest.raises(SpecError, match="is no run folder"):
        RunFolder(tmp_path).read()
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(SpecError, match="is no run record"):
        RunFolder(tmp_path).read()


def test_a_stage_that_breaks_is_kept_as_failed(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    record = folder.open(kind="run", spec={})
    with folder.stage(record, "prepare") as entry:
        assert folder.read().stages["prepare"].status == "running"
        entry.detail["cases"] = 3
    with pytest.raises(KeyboardInterrupt), folder.stage(record, "sample"):
        raise KeyboardInterrupt
    kept = folder.read().stages
    assert (kept["prepare"].status, kept["prepare"].detail) == ("done", {"cases": 3})
    assert (kept["sample"].status, kept["sample"].seconds is not None) == ("failed", True)


def test_finished_tasks_are_logged_once_the_folder_exists(tmp_path: Path) -> None:
    file = tmp_path / "run" / "log.txt"
    logged = Logged(silent, file)
    logged.note("lost")
    file.parent.mkdir()
    assert list(logged.track("abc", task="sample")) == ["a", "b", "c"]
    (line,) = file.read_text().splitlines()
    assert " sample: 3 in " in line
