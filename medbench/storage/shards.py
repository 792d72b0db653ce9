"""A weight file that a package index delivers in shards: installed packages whose files, joined, are the file."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path

from medbench.errors import CheckpointError
from medbench.storage.files import atomic_path, make_folder
from medbench.storage.space import require_space

_CHUNK_BYTES = 1 << 22
_FILE = "part.bin"


def installed(packages: Sequence[str]) -> tuple[Path, ...]:
    """Return the shards of packages in their order; none at all where one of them is not installed.

    The packages are looked up and not imported: none of their code runs.

    Args:
        packages: import names, each of a package with a file ``part.bin``.
    """
    try:
        specs = [importlib.util.find_spec(package) for package in packages]
    except ImportError:
        return ()
    folders = [list(spec.submodule_search_locations or ()) if spec else [] for spec in specs]
    files = [Path(found[0]) / _FILE for found in folders if found]
    return tuple(files) if len(files) == len(packages) and all(file.is_file() for file in files) else ()


def joined_sha256(shards: Sequence[Path]) -> str:
    """Return the SHA-256, in hex, that the joined file has; read once a process unless a shard changes."""
    return _hash_once(tuple((shard, shard.stat().st_size, shard.stat().st_mtime_ns) for shard in shards))


def join(shards: Sequence[Path], target: Path, *, pinned: str) -> Path:
    """Write the joined file, whole or not at all, and return its path.

    Args:
        shards: its parts in order.
        target: the file to write.
        pinned: its SHA-256 in hex.

    Raises:
        CheckpointError: the shards are not those of the pinned file.
        StorageError: no room, or a folder that cannot be written.
    """
    found = joined_sha256(shards)
    if found != pinned:
        raise CheckpointError(
            f"the shards in {shards[0].parent.parent} do not join to the pinned file (SHA-256 {found} in place of "
            f"{pinned}): install their packages again"
        )
    require_space(make_folder(target.parent), sum(shard.stat().st_size for shard in shards), target.name)
    with atomic_path(target) as temporary, temporary.open("wb") as sink:
        for chunk in _chunks(shards):
            sink.write(chunk)
    return target


@functools.lru_cache(maxsize=4)
def _hash_once(stamps: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks([path for path, _, _ in stamps]):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(shards: Sequence[Path]) -> Iterator[bytes]:
    for shard in shards:
        with shard.open("rb") as source:
            yield from iter(lambda: source.read(_CHUNK_BYTES), b"")
