"""Seals: what lies beside a stored file and says what the file stands for and what its bytes are.

A file that medbench reads again has a seal, ``NAME.seal``: the file's key and the SHA-256 of its content. So one that
was damaged, cut short, edited, or put in another's place is found out before it is used, and is made again. SHA-256 is
fast where the processor has instructions for it, 1 to 2 GB a second, which is more than most disks give; a file is
read through once a process, unless it changes.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medbench.progress import Progress
from medbench.storage.files import atomic_path, sha256_of, sha256_once, write_json

SUFFIX = ".seal"


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
        before = _sealed(path, key)[:1]
        write_json(seal_of(path), {"key": key, "sha256": [sha256_of(temporary), *before]})


def sealed_sha256(path: Path, key: str) -> str | None:
    """Return the SHA-256 of a file that is whole and what its key says; None for any other, and where there is none.

    Args:
        path: of the file.
        key: as for ``sealed_path``.
    """
    known = _sealed(path, key)
    try:
        found = sha256_once(path) if known and path.is_file() else None
    except OSError:
        return None
    return found if found in known else None


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


def _sealed(path: Path, key: str) -> list[str]:
    """Return the SHA-256 of each content that a file may have under a key: the last one and the one before."""
    try:
        document: Any = json.loads(seal_of(path).read_bytes())
        known = document["sha256"] if document["key"] == key else []
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return []
    return known if isinstance(known, list) else []
