"""What is fetched for LUNA16: pinned files, and the disk that they need."""

from __future__ import annotations

import types
from pathlib import Path

import pytest

from medbench.datasets.luna import files as luna_files
from medbench.datasets.luna.dataset import LunaDataset
from medbench.datasets.luna.files import published_files
from medbench.errors import StorageError
from medbench.progress import silent


def test_the_published_files_are_pinned() -> None:
    downloads = {download.filename: download for download in published_files().downloads()}
    subsets = [downloads[f"subset{number}.zip"] for number in range(10)]
    assert sum(download.size_bytes or 0 for download in subsets) == 66_337_930_718
    assert len({download.md5 for download in subsets}) == 10
    assert subsets[9].url == "https://zenodo.org/records/4121926/files/subset9.zip?download=1"
    assert [name for name, download in downloads.items() if not download.pinned] == ["seg-lungs-LUNA16.zip"]
    assert "CC BY 4.0" in published_files().license


def test_too_small_a_disk_is_said_before_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(luna_files.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=10**9))
    with pytest.raises(StorageError, match=r"has 1\.00 GB left and 66\.34 GB are still to be downloaded"):
        LunaDataset(tmp_path).fetch(silent)
    assert list(tmp_path.iterdir()) == []
