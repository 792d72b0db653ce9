"""Downloads that are asked for: pinned, verified, resumed where they broke off, and unpacked likewise.

Bytes arrive in ``NAME.part``; the file gets its name once its size and checksum hold. A file whose source publishes no
checksum is pinned on first sight: its SHA-256 is written beside it (``NAME.sha256``) and holds from then on.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medbench.errors import DataError
from medbench.progress import Progress, silent
from medbench.storage.files import atomic_path, make_folder, sha256_of, storage_errors, write_text
from medbench.storage.space import require_space

_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Download:
    """One file of a data set or a network's weights, pinned as well as its source allows.

    Args:
        url: http or https address.
        filename: its name in the folder it is fetched into.
        size_bytes: exact size; None where it is not published.
        sha256: checksum in hex; preferred over ``md5``.
        md5: checksum in hex, for sources that publish nothing better.
        license: one line, shown when the download starts.
    """

    url: str
    filename: str
    size_bytes: int | None = None
    sha256: str | None = None
    md5: str | None = None
    license: str = ""

    @property
    def pinned(self) -> bool:
        """Whether the source publishes a checksum."""
        return self.sha256 is not None or self.md5 is not None


def fetch(download: Download, folder: Path, progress: Progress = silent) -> Path:
    """Return the verified file, downloading what is still missing of it.

    A connection that breaks is taken up again as long as every attempt brings the file further; after that the same
    call resumes from the bytes that have arrived.

    Args:
        download: what to fetch.
        folder: where to; made if absent.
        progress: counts MiB.

    Raises:
        DataError: the address does not answer or does not have the file; what came, or what lay there before, is not
            the published file. A download with a wrong checksum is deleted; a file that lay there before is not.
        StorageError: too little free disk space (checked beforehand) or a folder that cannot be written.
    """
    target = make_folder(folder) / download.filename
    if target.exists():
        if fault := _fault(download, target, target):
            raise DataError(
                f"{target} is not the published file ({fault}): move it away and run the same command again"
            )
        return target
    part = target.with_name(f"{target.name}.part")
    require_space(part.parent, (download.size_bytes or 0) - _size(part), download.filename)
    if download.license:
        progress.note(f"{download.filename}: {download.license}")
    _complete(download, part, progress)
    if fault := _fault(download, part, target):
        part.unlink()
        raise DataError(
            f"{download.url} came damaged ({fault}) and was deleted: run the same command to fetch it again"
        )
    if not download.pinned:
        record_sha256(target, sha256_of(part))
        progress.note(
            f"{target.name}: unverified, no published checksum; its SHA-256 is kept in {_record_of(target).name}"
        )
    with storage_errors(target):
        part.replace(target)
    return target


def _fault(download: Download, path: Path, target: Path) -> str | None:
    """Return how a file, which is or becomes ``target``, differs from what was published; None: it does not."""
    size = path.stat().st_size
    if download.size_bytes not in (None, size):
        return f"{size} bytes in place of {download.size_bytes}"
    if download.md5 is not None and download.sha256 is None:
        kind, wanted = "MD5", download.md5
        with path.open("rb") as handle:
            found = hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    elif wanted := download.sha256 or recorded_sha256(target) or "":
        kind, found = "SHA-256", sha256_of(path)
    else:
        return None
    return None if found == wanted.lower() else f"{kind} {found} in place of {wanted}"


def recorded_sha256(path: Path) -> str | None:
    """Return the SHA-256 that is kept beside a file (``NAME.sha256``), or None where there is none."""
    record = _record_of(path)
    if not record.exists():
        return None
    words = record.read_text(encoding="utf-8").split()
    if not words:
        raise DataError(f"{record} is empty: delete it, or write the file's SHA-256 into it")
    return words[0].lower()


def record_sha256(path: Path, sha256: str, *, source: str | None = None) -> None:
    """Keep the SHA-256 of a file, and where it came from, beside it in the form of ``sha256sum``."""
    origin = "" if source is None else f"# {source}\n"
    write_text(_record_of(path), f"{sha256}  {path.name}\n{origin}")


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _complete(download: Download, part: Path, progress: Progress) -> None:
    """Request what is missing until it is there; stop at an attempt that brought nothing."""
    if download.size_bytes is not None:
        if _size(part) == download.size_bytes:
            return
        if _size(part) > download.size_bytes:
            part.unlink()
    while True:
        before = _size(part)
        try:
            _transfer(download, part, progress)
            return
        except urllib.error.HTTPError as error:
            error.close()
            mend = "the file is not there or not public: download it by other means into the same folder"
            if error.code in (408, 429) or error.code >= 500:
                mend = "run the same command again later, it resumes"
            raise DataError(f"{download.url} answers {error.code} {error.reason}: {mend}") from error
        except (OSError, http.client.HTTPException) as error:
            if _size(part) <= before:
                reason = getattr(error, "reason", None) or error
                raise DataError(
                    f"{download.url} cannot be reached or broke off ({reason}): "
                    f"run the same command again, it resumes after the {_size(part)} bytes that have arrived"
                ) from error


def _transfer(download: Download, part: Path, progress: Progress) -> None:
    """Append what one response brings to ``part``; a server that ignores the range makes it start over.

    Raises:
        OSError, http.client.HTTPException: the connection failed or ended before the announced length.
    """
    offset = _size(part)
    request = urllib.request.Request(download.url, headers={"User-Agent": "medbench"})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if offset and error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            error.close()
            return  # nothing lies behind the offset; whether that is the whole file, its checksum tells
        raise
    received, mode = 0, "ab" if response.status == http.client.PARTIAL_CONTENT else "wb"
    announced = int(response.headers.get("Content-Length", -1))
    mebibytes = -(-announced // _CHUNK_BYTES) if announced >= 0 else None
    with response:
        with storage_errors(part):  # around writing alone: SSL numbers its errors as the system numbers others
            handle = part.open(mode)
        with handle:
            chunks = iter(lambda: response.read(_CHUNK_BYTES), b"")
            for chunk in progress.track(chunks, task=f"{download.filename} (MiB)", total=mebibytes):
                with storage_errors(part):
                    handle.write(chunk)
                received += len(chunk)
            with storage_errors(part):
                handle.flush()
                os.fsync(handle.fileno())
    if received < announced:
        raise ConnectionError(f"{received} of {announced} bytes came")


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
            missing = [
                (member, target)
                for member, target in zip(members, targets)
                if not (target.is_file() and target.stat().st_size == member.file_size)
            ]
            require_space(folder, sum(member.file_size for member, _ in missing), f"unpacking {archive.name}")
            for member, target in progress.track(missing, task=f"unpack {archive.name}", total=len(missing)):
                with atomic_path(target) as temporary, opened.open(member) as source, temporary.open("wb") as sink:
                    shutil.copyfileobj(source, sink, _CHUNK_BYTES)
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
