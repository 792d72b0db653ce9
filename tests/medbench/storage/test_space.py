"""Room on the disk is looked at first."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from medbench.errors import StorageError
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.progress import silent
from medbench.storage.space import least_bytes, require_space


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000 if Path(path).is_dir() else None))


@pytest.mark.usefixtures("full_disk")
def test_what_does_not_fit_is_refused_also_where_the_folder_is_not_made_yet(tmp_path: Path) -> None:
    require_space(tmp_path / "a" / "b", 1000, "x")
    with pytest.raises(StorageError, match=r"4 volumes needs .* GB more"):
        require_space(tmp_path / "a" / "b", 4 * least_bytes((64, 64, 64)), "4 volumes")


@pytest.mark.usefixtures("full_disk")
def test_a_run_says_so_before_anything_is_prepared(toy_dataset: str, toy_generator: str, tmp_path: Path) -> None:
    options = RunOptions(model=toy_generator, dataset=toy_dataset, metrics=("fid3d",), out=tmp_path / "run")
    with pytest.raises(StorageError, match=r"4 samples.* need at least"):
        Run(replace(options, samples=4), silent).report()
    assert not (tmp_path / "run" / "samples").exists()
