"""What a segmenter must offer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from medbench.imaging.volume import LabelMap, Volume


@dataclass(frozen=True)
class SegmenterInfo:
    """A segmenter's declaration.

    Args:
        name: registered name.
        version: raised whenever the same weights and volume would yield another label map.
        stand_in: True where it only serves a toy data set; the report then says so.
        license: licence of code and weights.
        source: paper or repository.
        process_bytes: memory of a process of its own that it starts beside each worker, for a CT of 512x512x256 voxels;
            0: it works in the worker.
    """

    name: str
    version: str
    stand_in: bool
    license: str
    source: str
    process_bytes: int = 0


class Segmenter(Protocol):
    """Label maps of volumes. The constructor stores its arguments; weights load on first use."""

    info: ClassVar[SegmenterInfo]

    def __init__(self, *, device: str) -> None:
        """Store the torch device."""

    def names(self) -> Mapping[int, str]:
        """Return the region name of each label value it may set."""

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weights.

        Raises:
            Unavailable: the weights are not here; the message says how to get them.
        """

    def segment(self, volume: Volume) -> LabelMap:
        """Return the label map of a volume, on its grid."""
