"""Seals: what lies beside a stored file and says what the file stands for and what its bytes are.

A file that medbench reads again has a seal, ``NAME.seal``: the file's key and the SHA-256 of its content. So one that
was damaged, cut short, edited, or put in another's place is found out before it is used, and is made again. SHA-256 is
fast where the processor has instructions for it, 1 to 2 GB a second, which is more than most disks give.

A file of a mebibyte or more that was read through and found sound is not read through again while its size, inode and
times stay: its seal then says so. What decays on the disk meanwhile is found by ``check``, which trusts no such note.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from medbench.errors import StorageError
from medbench.progress import Progress
from medbench.storage.files import atomic_path, sha256_of, sha256_once, storage_errors, write_json

SUFFIX = ".seal"
_SEEN: Final = "seen"
_WORTH_A_NOTE = 2**20  # bytes; what is smaller is read sooner than a note is written
_SETTLED_NS = 2 * 10**9  # two changes within a tick of the file system's clock have one time


@contextlib.contextmanager
def sealed_path(path: Path, key: str) -> Iterator[Path]:
    """Yield a temporary name as ``atomic_path`` does; the file that takes ``path`` has a seal.

    Args:
        path: of the file.
        key: what its content stands for, down to all that decides it.

    Raises:
        StorageError: disk full, or not writable.
    """
    with atomic_path(path) as temporary:
        yield temporary
        # The seal comes first and knows the old content too: killed at any point, this leaves a file that is sound.
        before = _contents(_document(path), key)[:1]
        write_json(seal_of(path), {"key": key, "sha256": [sha256_of(temporary), *before]})


def sealed_sha256(path: Path, key: str) -> str | None:
    """Return the SHA-256 of a file that is whole and what its key says; None for any other, and where there is none.

    Args:
        path: of the file.
        key: as for ``sealed_path``.
    """
    document = _document(path)
    known = _contents(document, key)
    try:
        if not known or not path.is_file():
            return None
        stamp = _stamp(path)
        noted = document.get(_SEEN)
        if isinstance(noted, list) and noted[:1] and noted[0] in known and noted[1:] == stamp:
            return str(noted[0])
        found = sha256_once(path)
    except OSError:
        return None
    if found not in known:
        return None
    size, _, *times = stamp
    if size >= _WORTH_A_NOTE and time.time_ns() - max(times) > _SETTLED_NS:
        with contextlib.suppress(StorageError):  # nothing may be written there: it is read through the next time, too
            write_json(seal_of(path), {**document, _SEEN: [found, *stamp]})
    return found


def check(path: Path) -> bool:
    """Read a sealed file through; say whether it is what its seal says. One that is not loses its seal.

    Without it, it is not used and made again.

    Raises:
        StorageError: its seal cannot be removed.
    """
    document = _document(path)
    with contextlib.suppress(OSError):  # what cannot be read cannot be used
        if sha256_of(path) in _contents(document, document.get("key")):
            return True
    with storage_errors(path):
        seal_of(path).unlink(missing_ok=True)
    return False


def is_sound(path: Path, key: str, progress: Progress) -> bool:
    """Say whether a file can be used, see ``sealed_sha256``; one that was sealed and cannot is noted.

    Args:
        path: of the file.
        key: as for ``sealed_path``.
        progress: told about a file that is damaged or stands in another's place, which is then made again.
    """
    if sealed_sha256(path, key) is not None:
        return True
    if path.is_file() and seal_of(path).is_file():
        progress.note(f"{path} is damaged or stands in another file's place: it is not used and made again")
    return False


def place_of(path: Path) -> str:
    """Return a key for a file of a folder that is named after all that decides the folder's content."""
    return "/".join(path.parts[-3:])


def seal_of(path: Path) -> Path:
    """Return where the seal of a file lies."""
    return path.with_name(path.name + SUFFIX)


def _document(path: Path) -> dict[str, Any]:
    """Return the seal of a file; nothing where it is damaged or absent."""
    try:
        document: Any = json.loads(seal_of(path).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _contents(document: dict[str, Any], key: object) -> list[str]:
    """Return the SHA-256 of each content that a file may have under a key: the last one and the one before."""
    known = document.get("sha256") if document.get("key") == key else None
    return known if isinstance(known, list) else []


def _stamp(path: Path) -> list[int]:
    """Return size, inode, and the times (ns) of the last writing and of the last change of any kind."""
    status = path.stat()
    return [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
