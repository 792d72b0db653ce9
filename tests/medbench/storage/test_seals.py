"""A file that is not what its seal says is never taken for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from medbench.progress import silent
from medbench.storage import seals
from medbench.storage.files import sha256_of
from medbench.storage.seals import SUFFIX, check, is_sound, sealed_path, sealed_sha256


def _write(path: Path, content: bytes, key: str = "key") -> None:
    with sealed_path(path, key) as temporary:
        temporary.write_bytes(content)


def _copy(source: Path, target: Path, *suffixes: str) -> None:
    for suffix in suffixes:
        shutil.copy2(f"{source}{suffix}", f"{target}{suffix}")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "one.bin"
    _write(path, b"content", "one")
    _write(tmp_path / "two.bin", b"contend", "two")
    return path


def test_what_was_written_is_sound(file: Path) -> None:
    assert is_sound(file, "one", silent)
    assert len(sealed_sha256(file, "one") or "") == 64


@pytest.mark.parametrize("content", [b"contenu", b"conten", b"content ", b""])
def test_other_bytes_are_noticed(file: Path, content: bytes, noting: Any) -> None:
    assert is_sound(file, "one", silent)  # what was seen before does not count
    file.write_bytes(content)
    progress = noting()
    assert not is_sound(file, "one", progress)
    (note,) = progress.notes
    assert note.startswith(f"{file} is damaged")


@pytest.mark.parametrize("brought", [("",), (SUFFIX,), ("", SUFFIX)])
def test_another_file_in_its_place_is_noticed(file: Path, brought: tuple[str, ...]) -> None:
    assert is_sound(file, "one", silent)
    _copy(file.with_name("two.bin"), file, *brought)
    assert not is_sound(file, "one", silent)


@pytest.mark.parametrize(
    "seal", [b"", b"null", b"[]", b"{", b"\xff", b'{"key": "one"}', b'{"key": "one", "sha256": 3}']
)
def test_a_damaged_seal_is_no_seal(file: Path, seal: bytes) -> None:
    file.with_name(file.name + SUFFIX).write_bytes(seal)
    assert not is_sound(file, "one", silent)


def test_a_file_without_a_seal_is_made_again_without_a_word(file: Path, noting: Any) -> None:
    file.with_name(file.name + SUFFIX).unlink()
    progress = noting()
    assert not is_sound(file, "one", progress)
    assert not is_sound(file.with_name("absent"), "one", progress)
    assert progress.notes == []


def test_a_kill_between_seal_and_file_leaves_the_old_file_sound(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: Path, target: Path) -> Path:
        if target == file:
            raise KeyboardInterrupt
        return rename(self, target)

    rename = Path.replace
    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        _write(file, b"newer", "one")
    assert file.read_bytes() == b"content"
    assert is_sound(file, "one", silent)
    monkeypatch.undo()
    _write(file, b"newer", "one")
    assert is_sound(file, "one", silent)


def test_a_failed_writer_leaves_file_and_seal(file: Path) -> None:
    with pytest.raises(RuntimeError), sealed_path(file, "one") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert is_sound(file, "one", silent)


LARGE = bytes(2**20)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return a list of the files that are read through; time goes ahead of what was just written."""
    read: list[Path] = []
    monkeypatch.setattr(seals, "sha256_once", lambda path: read.append(path) or sha256_of(path))
    monkeypatch.setattr(seals, "_SETTLED_NS", -(10**10))
    return read


def test_a_large_file_is_read_through_once_while_its_times_stay(tmp_path: Path, hashed: list[Path]) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    _write(large, LARGE)
    _write(small, LARGE[1:])
    for _ in range(3):
        assert is_sound(large, "key", silent) and is_sound(small, "key", silent)
    assert (hashed.count(large), hashed.count(small)) == (1, 3)
    assert not is_sound(large, "another key", silent)
    stamp = large.stat()
    large.write_bytes(b"1" + LARGE[1:])
    os.utime(large, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))  # the time of its last change of any kind tells
    assert not is_sound(large, "key", silent)


def test_a_file_that_just_changed_is_read_through_again(
    tmp_path: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "_SETTLED_NS", 10**12)
    _write(tmp_path / "file", LARGE)
    assert all(is_sound(tmp_path / "file", "key", silent) for _ in range(2))
    assert len(hashed) == 2


def test_decay_that_leaves_all_times_is_found_by_reading_through(
    tmp_path: Path, hashed: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    _write(file, LARGE)
    assert is_sound(file, "key", silent) and check(file)
    stamp = seals._stamp(file)
    file.write_bytes(b"1" + LARGE[1:])
    monkeypatch.setattr(seals, "_stamp", lambda path: stamp)
    assert is_sound(file, "key", silent)  # trusted, and wrong
    assert not check(file)
    assert not is_sound(file, "key", silent)
