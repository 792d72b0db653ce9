"""Downloads and archives are verified, resume where they broke off, and say in one line what went wrong."""

from __future__ import annotations

import hashlib
import types
import zipfile
from pathlib import Path

import pytest

from medbench.errors import DataError, StorageError
from medbench.storage import download as download_module
from medbench.storage.download import Download, fetch, unpack

BODY = bytes(range(256)) * 12_288  # 3 MiB


@pytest.fixture
def server(loopback):
    loopback.files["/file.bin"] = BODY
    return loopback


def pinned(server, **changes: object) -> Download:
    values = {"size_bytes": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest(), **changes}
    return Download(f"{server.address}/file.bin", "file.bin", **values)  # type: ignore[arg-type]


def test_a_file_arrives_whole_under_its_name(server, tmp_path: Path) -> None:
    path = fetch(pinned(server), tmp_path / "new" / "folder")
    assert path.read_bytes() == BODY
    assert [entry.name for entry in path.parent.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("checksum", [{"sha256": None}, {"sha256": None, "md5": hashlib.md5(BODY).hexdigest().upper()}])
def test_md5_serves_where_no_sha256_is_published(server, tmp_path: Path, checksum: dict[str, object]) -> None:
    assert fetch(pinned(server, **checksum), tmp_path).read_bytes() == BODY


def test_a_verified_file_is_not_asked_for_again(server, tmp_path: Path) -> None:
    fetch(pinned(server), tmp_path)
    fetch(pinned(server), tmp_path)
    assert server.ranges == [None]


def test_a_broken_connection_is_taken_up_again_where_it_broke(server, tmp_path: Path) -> None:
    server.breaks_after = [2 << 20, 1 << 19]
    assert fetch(pinned(server), tmp_path).read_bytes() == BODY
    assert server.ranges == [None, f"bytes={2 << 20}-", f"bytes={(2 << 20) + (1 << 19)}-"]


def test_a_dead_connection_is_one_line_and_the_same_call_resumes(server, tmp_path: Path) -> None:
    server.breaks_after = [1 << 20, 0]
    with pytest.raises(
        DataError, match=rf"{server.address}/file.bin .* broke off .* run the same command again, it resumes"
    ) as caught:
        fetch(pinned(server), tmp_path)
    assert "\n" not in str(caught.value)
    assert (tmp_path / "file.bin.part").stat().st_size == 1 << 20
    assert fetch(pinned(server), tmp_path).read_bytes() == BODY
    assert server.ranges[-1] == f"bytes={1 << 20}-"


def test_a_server_that_ignores_the_range_starts_over(server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY[: 1 << 20])
    server.knows_ranges = False
    assert fetch(pinned(server), tmp_path).read_bytes() == BODY


def test_a_download_killed_just_before_its_rename_is_not_fetched_again(server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY)
    assert fetch(pinned(server), tmp_path).read_bytes() == BODY
    assert server.ranges == []


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY + b"more")
    assert fetch(pinned(server), tmp_path).read_bytes() == BODY


def test_a_wrong_checksum_deletes_what_came(server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"came damaged \(SHA-256 .* in place of 0{64}\) and was deleted"):
        fetch(pinned(server, sha256="0" * 64), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_became_shorter_at_its_source_is_refused(server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=rf"came damaged \({len(BODY)} bytes in place of {len(BODY) + 7}\)"):
        fetch(pinned(server, size_bytes=len(BODY) + 7), tmp_path)


def test_another_file_of_that_name_is_neither_trusted_nor_deleted(server, tmp_path: Path) -> None:
    mine = tmp_path / "file.bin"
    mine.write_bytes(b"mine")
    with pytest.raises(DataError, match=r"file\.bin is not the published file \(4 bytes .*move it away"):
        fetch(pinned(server), tmp_path)
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize(("status", "mend"), [(404, "not there or not public"), (503, "again later, it resumes")])
def test_a_refusing_server_is_one_line_with_the_address(server, tmp_path: Path, status: int, mend: str) -> None:
    server.status = status
    with pytest.raises(DataError, match=rf"{server.address}/file.bin answers {status} .*{mend}"):
        fetch(pinned(server), tmp_path)


def test_an_unreachable_server_is_one_line_with_the_address(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:1/x cannot be reached"):
        fetch(Download("http://127.0.0.1:1/x", "x"), tmp_path)


def test_a_file_without_published_checksum_is_pinned_on_first_sight(server, tmp_path: Path) -> None:
    download = pinned(server, size_bytes=None, sha256=None)
    path = fetch(download, tmp_path)
    assert (tmp_path / "file.bin.sha256").read_text() == f"{hashlib.sha256(BODY).hexdigest()}  file.bin\n"
    assert fetch(download, tmp_path) == path
    path.write_bytes(b"changed")
    with pytest.raises(DataError, match="is not the published file"):
        fetch(download, tmp_path)


def test_a_part_of_unknown_size_that_is_complete_is_recognised(server, tmp_path: Path) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY)
    assert fetch(pinned(server, size_bytes=None), tmp_path).read_bytes() == BODY


def test_too_little_disk_space_is_said_before_anything_is_asked(
    server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=1 << 20))
    with pytest.raises(StorageError, match=r"file\.bin needs 0\.00 GB more .* free some space"):
        fetch(pinned(server), tmp_path)
    assert server.ranges == []


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
    monkeypatch.setattr(download_module.shutil, "disk_usage", lambda _: types.SimpleNamespace(free=1))
    with pytest.raises(StorageError, match=r"unpacking a\.zip needs"):
        unpack(archive, tmp_path / "out")
