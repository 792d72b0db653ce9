"""``gallery/gallery.json`` of a run: which few volumes are there to be looked at, and what stands beside each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from medbench.errors import DataError
from medbench.imaging.volume import LabelMap, Volume
from medbench.records.run import GALLERY
from medbench.records.samples import StoredVolume, content_once
from medbench.storage.checksums import with_checksum, without_checksum
from medbench.storage.files import sha256_of, write_json

_FILE: Final = "gallery.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Kept(_Record):
    """A file that is believed only as it was written.

    Args:
        file: relative to the run folder where it lies in there, else absolute.
        sha256: of its content.
    """

    file: str
    sha256: str

    def check(self, run: Path, name: str) -> Path:
        """Return the file's path in a run folder.

        Raises:
            DataError: it is not there, or not as it was; the message begins with ``name``.
        """
        path = run / self.file
        if not path.exists():
            raise DataError(f"{name} is no longer at {path}")
        if content_once(path) != self.sha256:
            raise DataError(f"{name}: {path} has changed since the evaluation")
        return path


class Shown(_Record):
    """A volume to be looked at.

    Args:
        kind: a sample, a real volume, or one that was made of a real one and bears a name that says so.
        name: of the case.
        volume: its voxels.
        label_map: its regions on its canonical grid; None: there is none.
        regions: the name of each label value.
        labels: where the label map is from, or why there is none.
    """

    kind: Literal["sample", "real", "made"]
    name: str
    volume: Kept
    label_map: Kept | None = None
    regions: dict[int, str] = {}
    labels: str

    @property
    def title(self) -> str:
        """What stands above it."""
        return self.name if self.kind == "made" else f"{self.kind} {self.name}"


class Pair(_Record):
    """A volume and what stands beside it.

    Args:
        first: the volume.
        beside: None where nothing is known to stand beside it.
        relation: how ``beside`` was found, or why there is nothing.
    """

    first: Shown
    beside: Shown | None
    relation: str


class Gallery(_Record):
    """The pairs, those that say most first."""

    schema_version: Literal[1] = 1
    pairs: tuple[Pair, ...]

    def save(self, run: Path) -> None:
        """Write the record into a run folder, whole or not at all."""
        write_json(run / GALLERY / _FILE, with_checksum(self.model_dump(mode="json")))

    @classmethod
    def read(cls, run: Path) -> Gallery | None:
        """Read the record of a run folder; None where there is none, as of an earlier version.

        Raises:
            DataError: it is damaged, or of another version.
        """
        path = run / GALLERY / _FILE
        try:
            document: Any = without_checksum(json.loads(path.read_bytes()))
            return cls.model_validate(document)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError, ValidationError) as error:
            told = str(error).splitlines()[0]
            raise DataError(f"{path} is damaged ({told}): delete it, or evaluate the run again") from error


def stored(item: StoredVolume, run: Path, kind: Literal["sample", "real"], **found: Any) -> Shown:
    """Return a volume on disk as one to be looked at.

    Args:
        item: the volume.
        run: the run folder.
        kind: of the volume.
        found: further fields, by name.
    """
    path, root = item.path.resolve(), run.resolve()
    file = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    return Shown(kind=kind, name=item.id, volume=Kept(file=file, sha256=item.sha256), **found)


def kept(image: Volume | LabelMap, run: Path, name: str) -> Kept:
    """Write a volume or label map into a run's gallery.

    Args:
        image: what is written.
        run: the run folder.
        name: of the file, without suffix.
    """
    file = f"{GALLERY}/{name}.nii.gz"
    image.write(run / file)
    return Kept(file=file, sha256=sha256_of(run / file))
