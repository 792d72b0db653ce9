"""Files appear whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from medbench.errors import StorageError
from medbench.storage.files import atomic_path, make_folder, sha256_of, storage_errors, write_json, write_text


def test_a_file_is_replaced_only_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("ne")
        raise RuntimeError
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_strict(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert not list(tmp_path.iterdir())


def test_the_suffix_is_kept_for_writers_that_choose_by_it(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
        temporary.write_bytes(b"")


@pytest.mark.parametrize(
    ("code", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission denied")],
)
def test_the_systems_refusals_become_one_line(code: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=words), storage_errors(tmp_path / "x"):
        raise OSError(code, "no")


def test_other_failures_are_not_hidden(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="odd"), storage_errors(tmp_path):
        raise OSError(errno.EIO, "odd")


def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "")
    with pytest.raises(StorageError, match="is a file"):
        make_folder(tmp_path / "file" / "folder")


def test_hashes_are_those_of_the_bytes(tmp_path: Path) -> None:
    write_text(tmp_path / "empty", "")
    assert sha256_of(tmp_path / "empty").startswith("e3b0c44298fc1c14")


def test_a_refusal_below_the_home_folder_names_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("home", "out"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    with pytest.raises(StorageError, match=r"choose another folder \(MEDBENCH_HOME names it\)"):
        make_folder(tmp_path / "home" / "cache")
    with pytest.raises(StorageError, match=r"choose another folder$"):
        make_folder(tmp_path / "out" / "cache")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_named_and_nothing_half_written_remains(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="the disk is full"),
        storage_errors(tmp_path / "x"),
        Path("/dev/full").open("w") as handle,
    ):
        handle.write("x" * 100_000)


def test_temporaries_of_the_dead_are_removed_and_those_of_the_living_are_not(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "a" / "x.json") as temporary:
        temporary.touch()
        mine, host = temporary.name, temporary.name.split("-")[1]
    for folder in ("b", "c"):
        (tmp_path / folder).mkdir()
    dead, elsewhere, alive = f".999999999-{host}-0a1b2c3d.x", ".999999999-000000-0a1b2c3d.x", mine
    for name in (dead, elsewhere, alive):
        (tmp_path / "b" / name).touch()
    write_text(tmp_path / "b" / "x.json", "{}")
    assert {path.name for path in (tmp_path / "b").iterdir()} == {elsewhere, alive, "x.json"}


def test_a_full_disk_is_told_also_where_torch_stumbles_over_its_own_end(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the disk is full"), atomic_path(tmp_path / "best.pt"):
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError:
            raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 704 vs 598")  # noqa: B904
