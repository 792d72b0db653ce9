"""What a data set of real CT must offer: cases, splits, a canonical grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol, TypedDict, runtime_checkable

from medbench.progress import Progress
from medbench.spec import Grid

if TYPE_CHECKING:
    from medbench.imaging.findings import Finding
    from medbench.imaging.volume import LabelMap, Volume
    from medbench.storage.download import Download

# "select" chooses checkpoints and is never reported; "test" is what "held-out" means everywhere.
Split = Literal["train", "select", "test"]


@dataclass(frozen=True)
class Case:
    """One real volume with its optional label map, both read on demand on their own grid.

    Args:
        id: unique within the data set.
        split: which split it belongs to.
        patient: groups cases of one person; the unit of every resampling.
        read_volume: returns the volume in HU.
        read_label_map: returns the label map on the volume's grid; None where there is none.
    """

    id: str
    split: Split
    patient: str
    read_volume: Callable[[], Volume]
    read_label_map: Callable[[], LabelMap] | None = None


@dataclass(frozen=True)
class DatasetInfo:
    """A data set's declaration, shown by ``medbench list datasets``.

    Args:
        name: registered name, lower case.
        version: raised whenever its cases, splits or voxels change.
        summary: what it is, in half a sentence.
        license: of the data.
        source: where they come from.
        protocol: name of the protocol that it is judged under.
        known_as: other names that it is published under, for the leak register, as are the next two.
        part_of: collections that contain it.
        contains: data sets that are parts of it.
    """

    name: str
    version: str
    summary: str
    license: str
    source: str
    protocol: str
    known_as: tuple[str, ...] = ()
    part_of: tuple[str, ...] = ()
    contains: tuple[str, ...] = ()


class Check(TypedDict):
    """One row of ``medbench data verify``; ``mend`` is empty where nothing is to be done."""

    check: str
    ok: bool
    detail: str
    mend: str


class Dataset(Protocol):
    """A data set. The constructor stores its arguments; files are first touched by ``cases``."""

    info: ClassVar[DatasetInfo]
    grid: Grid | None

    def __init__(self, root: Path | None = None) -> None:
        """Store the folder that holds the data; embedded data sets ignore it."""

    def cases(self, split: Split) -> Sequence[Case]:
        """Return the cases of a split in a fixed order.

        Raises:
            DataError: the data are absent or incomplete; the message names the command or layout that mends it.
        """

    def verify(self) -> list[Check]:
        """Check that the data are complete and readable here, to the last voxel."""

    def identity(self) -> dict[str, object]:
        """Return what makes this data set this one (name, version, options, hashes) for the fingerprint."""


@runtime_checkable
class Accounted(Protocol):
    """A data set of files that says what of its folder it does not read, and what its headers say that may mislead."""

    def noticed(self) -> Sequence[Finding]:
        """Return one finding for each file, for the gate's table; headers only, no voxels."""


@runtime_checkable
class Fetchable(Protocol):
    """A data set that can be downloaded."""

    def fetch_plan(self) -> Sequence[Download]:
        """Return what is still to be downloaded."""

    def fetch(self, progress: Progress) -> None:
        """Download, verify and unpack what is missing; the same call resumes."""
