"""``gallery/gallery.json`` of a run: which few volumes are there to be looked at, and what stands beside each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from medbench.errors import DataError
from medbench.records.run import GALLERY
from medbench.records.samples import StoredVolume
from medbench.storage.checksums import with_checksum, without_checksum
from medbench.storage.files import write_json

_FILE: Final = "gallery.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Shown(_Record):
    """A volume to be looked at.

    Args:
        name: of the case.
        file: relative to the run folder where it lies in there, else absolute.
        sha256: of its content, so that another volume never passes for it; None: it is the gallery's own file.
        label_map: file of its regions on its canonical grid, relative to the run folder; None: there is none.
        regions: the name of each label value.
        labels: where the label map is from, or why there is none.
    """

    name: str
    file: str
    sha256: str | None = None
    label_map: str | None = None
    regions: dict[int, str] = {}
    labels: str

    def title(self, *, sample: bool) -> str:
        """Return what stands above it; the gallery's own files say by their names what they are."""
        if sample:
            return f"sample {self.name}"
        return f"real {self.name}" if self.sha256 else self.name


class Pair(_Record):
    """A volume and what stands beside it.

    Args:
        kind: whether ``first`` is a sample, or a real volume that an autoencoder was given.
        first: the volume.
        beside: None where nothing is known to stand beside it.
        relation: how ``beside`` was found, or why there is nothing.
    """

    kind: Literal["sample", "autoencoder"]
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


def stored(item: StoredVolume, run: Path, **found: Any) -> Shown:
    """Return a volume on disk as one to be looked at.

    Args:
        item: the volume.
        run: the run folder.
        found: further fields, by name.
    """
    path, root = item.path.resolve(), run.resolve()
    file = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
    return Shown(name=item.id, file=file, sha256=item.sha256, **found)
