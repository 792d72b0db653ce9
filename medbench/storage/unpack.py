"""Zip archives unpacked so that a killed run leaves no half file and the next one goes on where it stopped."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from medbench.errors import DataError, StorageError
from medbench.progress import Progress, silent
from medbench.storage.files import atomic_path, make_folder


def unpack(archive: Path, folder: Path, progress: Progress = silent) -> int:
    """Unpack a zip archive; members that are already there in their full size are left as they are.

    Args:
        archive: the zip file.
        folder: where to; made if absent.
        progress: counts members.

    Returns:
        How many files the archive holds.

    Raises:
        DataError: damaged, packed in a way Python cannot read, or with a member that would leave the folder.
        StorageError: too little free disk space (checked beforehand) or a folder that cannot be written.
    """
    make_folder(folder)
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            targets = [_inside(folder, member.filename, archive) for member in members]
            missing = [pair for pair in zip(members, targets) if not _is_there(*pair)]
            _check_space(archive, folder, sum(member.file_size for member, _ in missing))
            for member, target in progress.track(missing, task=f"unpack {archive.name}", total=len(missing)):
                with atomic_path(target) as temporary, opened.open(member) as source, temporary.open("wb") as sink:
                    shutil.copyfileobj(source, sink, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataError(f"{archive} is damaged ({error}): delete it and run the same command again") from error
    except RuntimeError as error:  # a method or an encryption that zipfile does not know
        raise DataError(f"{archive} cannot be unpacked here ({error}): unpack it with 7z into {folder}") from error
    return len(members)


def _inside(folder: Path, name: str, archive: Path) -> Path:
    parts = PurePosixPath(name).parts
    if "\\" in name or ":" in name or ".." in parts or PurePosixPath(name).is_absolute():
        raise DataError(f"{archive} has a member that would be written outside {folder} ('{name}'): do not trust it")
    return folder.joinpath(*parts)


def _is_there(member: zipfile.ZipInfo, target: Path) -> bool:
    return target.is_file() and target.stat().st_size == member.file_size


def _check_space(archive: Path, folder: Path, wanted_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if wanted_bytes > free:
        raise StorageError(
            f"unpacking {archive.name} needs {wanted_bytes / 1e9:.2f} GB and {folder} has {free / 1e9:.2f} GB left: "
            "free some space and run the same command again"
        )
