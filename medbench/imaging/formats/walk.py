"""Every file below a folder, each folder once: no link is followed twice, no cycle is without an end."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medbench.errors import DataError
from medbench.storage.names import shown


@dataclass(frozen=True)
class Directory:
    """What lies directly in a folder, in natural order.

    Args:
        path: the folder, as it was reached.
        files: regular files.
        hidden: files and folders whose name begins with a dot; nobody looks into them.
        dangling: links that lead nowhere.
        special: FIFOs, sockets and devices.
        again: links to folders that were walked already, by another way.
    """

    path: Path
    files: tuple[Path, ...]
    hidden: tuple[Path, ...]
    dangling: tuple[Path, ...]
    special: tuple[Path, ...]
    again: tuple[Path, ...]


def walk(folder: Path) -> Iterator[Directory]:
    """Yield a folder and every folder below it once, real folders before links to them.

    Raises:
        DataError: a folder cannot be read.
    """
    seen = {_key(folder.stat())}
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        kinds: dict[str, list[Path]] = {"files": [], "hidden": [], "dangling": [], "special": [], "folders": []}
        try:
            with os.scandir(here) as entries:
                for entry in sorted(entries, key=lambda entry: (entry.is_symlink(), natural(Path(entry.name)))):
                    kinds[_kind(entry)].append(here / entry.name)
        except OSError as error:
            raise DataError(f"{shown(error.filename or here)}: cannot be read: {error.strerror or error}") from error
        folders, again = kinds.pop("folders"), []
        below = []
        for path in folders:
            if (key := _key(path.stat())) in seen:
                again.append(path)
                continue
            seen.add(key)
            below.append(path)
        waiting += reversed(below)
        yield Directory(here, again=tuple(again), **{name: tuple(paths) for name, paths in kinds.items()})


def natural(path: Path) -> tuple[list[tuple[str, int]], str]:
    """Return a key that compares digits as numbers (2 before 10); the plain text breaks ties such as 01 and 1."""
    text = path.as_posix()
    return [(word, _value(digits)) for word, digits in re.findall(r"(\D*)(\d*)", text.lower())], text


def _kind(entry: os.DirEntry[str]) -> str:
    if entry.name.startswith("."):
        return "hidden"
    if entry.is_dir():
        return "folders"
    if entry.is_file():
        return "files"
    try:
        mode = entry.stat().st_mode
    except OSError:
        return "dangling"
    return "files" if stat.S_ISREG(mode) else "special"


def _key(stat_result: os.stat_result) -> tuple[int, int]:
    return stat_result.st_dev, stat_result.st_ino


def _value(digits: str) -> int:
    return int(digits) if digits and len(digits) < 1000 else -1
