"""The files of LUNA16 on Zenodo and how they are brought into place; the table is ``files.json``."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from medbench.errors import StorageError
from medbench.progress import Progress
from medbench.spec import Spec
from medbench.storage.download import Download, fetch, unpack
from medbench.storage.files import make_folder, sha256_of, write_json

_MARKS = ".fetched"


class LunaFile(Spec):
    """One file of a Zenodo record."""

    record: int
    name: str
    size_bytes: int | None = None
    md5: str | None = None


class LunaFiles(Spec):
    """All files, where they lie and under which licence."""

    base_url: str
    license: str
    files: tuple[LunaFile, ...]

    def downloads(self) -> list[Download]:
        """Return what can be fetched, in the order in which it should be."""
        return [
            Download(
                url=f"{self.base_url}/records/{file.record}/files/{file.name}?download=1",
                filename=file.name,
                size_bytes=file.size_bytes,
                md5=file.md5,
                license=self.license,
            )
            for file in self.files
        ]


@functools.cache
def published_files() -> LunaFiles:
    """Return the table of ``files.json``."""
    return LunaFiles.model_validate_json(resources.files(__package__).joinpath("files.json").read_bytes())


def mark_of(root: Path, filename: str) -> Path:
    """Return the file that says an archive was verified and unpacked to its last member."""
    return root / _MARKS / f"{filename}.json"


def fetch_all(plan: Sequence[Download], root: Path, progress: Progress) -> None:
    """Fetch, verify and unpack files one after the other; a killed call goes on where it stopped.

    Args:
        plan: what to fetch.
        root: the data set's folder; made if absent.
        progress: told about every file.

    Raises:
        DataError: the network, or a file that is not the published one.
        StorageError: too little free disk space, checked before the first byte.
    """
    make_folder(root)
    remaining = sum(max(0, (download.size_bytes or 0) - _arrived(root, download)) for download in plan)
    free = shutil.disk_usage(root).free
    if remaining > free:
        raise StorageError(
            f"{root} has {free / 1e9:.2f} GB left and {remaining / 1e9:.2f} GB are still to be downloaded: "
            "free some space or give another --data-root"
        )
    for download in plan:
        path = fetch(download, root, progress)
        if path.suffix == ".zip":
            _unpack(download, path, root, progress)


def _arrived(root: Path, download: Download) -> int:
    names = (download.filename, f"{download.filename}.part")
    return sum((root / name).stat().st_size for name in names if (root / name).exists())


def _unpack(download: Download, archive: Path, root: Path, progress: Progress) -> None:
    count = unpack(archive, root, progress)
    record = {
        "url": download.url,
        "size_bytes": archive.stat().st_size,
        "md5": download.md5,
        "sha256": sha256_of(archive),
        "verified": "md5" if download.md5 else "unverified: no published checksum",
        "files": count,
    }
    write_json(mark_of(root, download.filename), record)
    progress.note(f"{archive} is unpacked ({count} files) and may be deleted")
