"""Archives unpack safely, resume, and are named when they are damaged."""

from __future__ import annotations

import types
import zipfile
from pathlib import Path

import pytest

from medbench.errors import DataError, StorageError
from medbench.storage import unpack as unpack_module
from medbench.storage.unpack import unpack


def make_zip(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return path


def test_unpacking_goes_on_where_it_stopped(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "a.zip", {"in/one.txt": b"one", "in/two.txt": b"two"})
    (tmp_path / "out" / "in").mkdir(parents=True)
    (tmp_path / "out" / "in" / "one.txt").write_bytes(b"ONE")  # full size: written before, not again
    (tmp_path / "out" / "in" / "two.txt").write_bytes(b"t")
    assert unpack(archive, tmp_path / "out") == 2
    assert (tmp_path / "out" / "in" / "one.txt").read_bytes() == b"ONE"
    assert (tmp_path / "out" / "in" / "two.txt").read_bytes() == b"two"


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "..\\evil.txt", "C:/evil.txt"])
def test_a_member_that_would_leave_the_folder_stops_everything(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "a.zip", {"good.txt": b"good", name: b"evil"})
    with pytest.raises(DataError, match="outside"):
        unpack(archive, tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("*.txt"))


@pytest.mark.parametrize("damage", [lambda raw: raw[:60], lambda raw: raw[:45] + b"\xff\xff\xff" + raw[48:]])
def test_a_damaged_archive_is_named(tmp_path: Path, damage: object) -> None:
    archive = make_zip(tmp_path / "a.zip", {"good.txt": bytes(1000) + bytes(range(250))})
    archive.write_bytes(damage(archive.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match=r"a\.zip is damaged"):
        unpack(archive, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_unpacking_checks_the_disk_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_zip(tmp_path / "a.zip", {"good.txt": b"good"})
    monkeypatch.setattr(unpack_module.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=1))
    with pytest.raises(StorageError, match=r"unpacking a\.zip needs"):
        unpack(archive, tmp_path / "out")
