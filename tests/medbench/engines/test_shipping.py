"""Calls that another process makes: what it must share with this one, and what it says where it does not."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from medbench import plugin_files
from medbench.engines.shipping import Shipped, marked_place
from medbench.errors import MissingExtraError, SpecError


def test_a_call_travels_and_the_mark_goes_with_its_block() -> None:
    with marked_place() as place:
        there = pickle.loads(pickle.dumps(Shipped.of(place, divmod, 7, 2)))
        assert there() == (3, 1)
        assert place.mark.is_file()
    assert not place.mark.exists()


def test_a_worker_takes_the_folder_and_the_variables_of_who_sent_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MEDBENCH_DATA", "scans")
    with marked_place() as place:
        where, which = Shipped.of(place, os.getcwd), Shipped.of(place, os.getenv, "MEDBENCH_DATA")
        monkeypatch.undo()
        monkeypatch.delenv("MEDBENCH_DATA", raising=False)
        before = Path.cwd()
        assert where() == str(tmp_path)
        assert which() == "scans"
        assert Path.cwd() == before
    del os.environ["MEDBENCH_DATA"]  # a worker's own process keeps it


def test_a_worker_without_home_weights_folder_or_plugin_says_which_is_missing(tmp_path: Path) -> None:
    with marked_place() as place:
        home = replace(place, mark=tmp_path / "other" / "engines" / "x.mark")
        weights = replace(place, environment={"MEDBENCH_WEIGHTS_SEEDED_RESNET": str(tmp_path / "gone.pth")})
        folder = replace(place, folder=tmp_path / "gone")
        versions = replace(place, versions={**place.versions, "torch": "1.0"})
        for altered, kind, words in [
            (home, SpecError, r"does not see MEDBENCH_HOME \(.*other\)"),
            (weights, MissingExtraError, r"does not see .*gone.pth \(MEDBENCH_WEIGHTS_SEEDED_RESNET\)"),
            (folder, SpecError, "start the command in a folder that all workers share"),
            (versions, SpecError, r"other versions \(torch .* there, 1.0 here\)"),
        ]:
            with pytest.raises(kind, match=words) as refused:
                Shipped.of(altered, abs, 1)()
            assert "\n" not in str(refused.value)
        with pytest.raises(SpecError, match="does not see the plug-in"):
            replace(Shipped.of(place, abs, 1), files=(tmp_path / "gone.py",))()


def test_objects_of_a_plugin_file_travel_with_it(tmp_path: Path) -> None:
    file = tmp_path / "theirs.py"
    file.write_text("def twice(x):\n    return 2 * x\n", encoding="utf-8")
    module = plugin_files.import_file(file)
    with marked_place() as place:
        call = Shipped.of(place, module.twice, 4)
        assert file in call.files
        assert call() == 8
