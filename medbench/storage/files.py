"""Files that appear whole or not at all, and their hashes."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medbench.errors import DataError, StorageError
from medbench.storage.home import home

_STORAGE_MENDS = {
    errno.ENOSPC: "the disk is full: free some space and run the same command again",
    errno.EDQUOT: "the disk quota is used up: free some space and run the same command again",
    errno.EACCES: "permission denied: choose a folder you may write to",
    errno.EPERM: "permission denied: choose a folder you may write to",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another folder",
    errno.EFBIG: "files may not become that large here (ulimit -f): raise the limit",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.ENOENT: "there is no such place: choose another folder",
    errno.EISDIR: "a folder of that name is in the way: choose another name",
    errno.ELOOP: "its links lead in a circle: correct them",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n), or give fewer --workers",
    errno.EEXIST: "a file of that name is in the way: choose another folder",
}


def mend_of(error: BaseException) -> str | None:
    """Return what the system refused and what to do, as the end of a sentence; None where nobody knows.

    Torch closes an archive that it could not write, and raises a ``RuntimeError`` then.
    """
    refused = error.__context__ if isinstance(error, RuntimeError) else error
    return _STORAGE_MENDS.get(refused.errno or 0) if isinstance(refused, OSError) else None


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write ``path`` into a ``StorageError``."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        mend = mend_of(error)
        if mend is None:
            raise
        raise StorageError(f"cannot write {path}: {mend}{_whose(path)}") from error


def _whose(path: Path) -> str:
    """Return how to choose the folder where the user did not name it."""
    return " (MEDBENCH_HOME names it)" if path.is_relative_to(home()) else ""


def make_folder(path: Path) -> Path:
    """Create a folder and its parents; return it.

    Raises:
        StorageError: the folder cannot be made or written to.
    """
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    if not os.access(path, os.W_OK):
        raise StorageError(f"cannot write {path}: permission denied: choose a folder you may write to{_whose(path)}")
    return path


_TEMPORARY = re.compile(r"\.(\d+)-(?:([0-9a-f]{6})-)?[0-9a-f]{8}\.")


def sweep(folder: Path) -> None:
    """Remove the temporaries of ``atomic_path`` anywhere below a folder; only for who alone writes there."""
    for path in folder.rglob(".*"):
        if _TEMPORARY.match(path.name):
            with contextlib.suppress(OSError):
                path.unlink()


@functools.lru_cache(maxsize=4096)
def _sweep_after_the_dead(folder: Path) -> None:
    """Remove from a folder that processes share what writers of this machine left that live no more."""
    import psutil

    for path in folder.glob(".*"):
        found = _TEMPORARY.match(path.name)
        if found and found[2] == _host() and not psutil.pid_exists(int(found[1])):
            with contextlib.suppress(OSError):
                path.unlink()


@functools.cache
def _host() -> str:
    return hashlib.sha256(platform.node().encode()).hexdigest()[:6]


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside ``path`` that replaces ``path`` once the block has ended without an error.

    What killed writers left beside it is removed. The temporary name keeps the suffixes of ``path``, since writers
    choose a format by them.

    Raises:
        StorageError: disk full, or not writable.
    """
    make_folder(path.parent)
    _sweep_after_the_dead(path.parent)
    temporary = path.with_name(f".{os.getpid()}-{_host()}-{os.urandom(4).hex()}.{path.name}")
    try:
        with storage_errors(path):
            yield temporary
            with temporary.open("rb") as handle:
                os.fsync(handle.fileno())
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, document: Any) -> None:
    """Write strict JSON (NaN and Infinity raise ``ValueError``), whole or not at all."""
    write_text(path, json.dumps(document, indent=2, allow_nan=False) + "\n")


def inside(folder: Path, name: str, *, named_by: Path | str) -> Path:
    """Return the path of a file that a document names relative to a folder.

    Args:
        folder: may not be left.
        name: relative path.
        named_by: the document, for the message.

    Raises:
        DataError: an absolute path, one with ``..``, or a link that leads out of the folder.
    """
    path = folder / name
    try:
        within = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, a zero byte
        within = False
    if not within or Path(name).is_absolute() or ".." in Path(name).parts:
        raise DataError(f"{named_by} names {name!r}, which lies outside {folder}: only what lies below it is read")
    return path


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_once(path: Path, parts: Sequence[Path] = ()) -> str:
    """Return the SHA-256 of a file's bytes, in hex, or that over the hashes of the files that make up ``path``.

    A file is read once a process unless its size or time changes.
    """
    return _hash_once(path, tuple(map(_stamp, parts or [path])))


def _stamp(path: Path) -> tuple[Path, int, int, int]:
    status = path.stat()
    # The time of the last change of any kind: a copy may bring its old time of writing along.
    return path, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def has_content(path: Path, sha256: str | None) -> bool:
    """Say whether a file is there with bytes of a SHA-256 (hex); no file has None."""
    return sha256 is not None and path.is_file() and sha256_once(path) == sha256


@functools.lru_cache(maxsize=65536)  # a cache has ten files a volume, and floors read them again and again
def _hash_once(path: Path, stamps: tuple[tuple[Path, int, int, int], ...]) -> str:
    parts = [stamp[0] for stamp in stamps]
    return sha256_of(path) if parts == [path] else hashlib.sha256("".join(map(sha256_of, parts)).encode()).hexdigest()
