"""Masks that lie beside the volumes: the pipeline reads them; nothing is segmented here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from medbench.errors import Unavailable
from medbench.segmenters.base import SegmenterInfo

if TYPE_CHECKING:
    from medbench.imaging.volume import LabelMap, Volume


@dataclass(frozen=True, kw_only=True)
class PrecomputedSegmenter:
    """Stands for label maps that were made before; it is asked only where one is missing.

    Args:
        device: not used.
    """

    device: str

    info: ClassVar[SegmenterInfo] = SegmenterInfo(
        name="precomputed",
        version="1",
        stand_in=False,
        license="that of the masks",
        source="label maps beside the volumes",
    )

    def names(self) -> Mapping[int, str]:
        """Return no names: each label map brings its own."""
        return {}

    def weights_sha256(self) -> str:
        """Return the SHA-256 of no bytes: there are no weights."""
        return hashlib.sha256(b"").hexdigest()

    def segment(self, volume: Volume) -> LabelMap:
        """Refuse: the volume has no mask.

        Raises:
            Unavailable: always; the message says how to bring masks.
        """
        raise Unavailable(
            f"a volume of shape {volume.shape} has no mask: give --masks and --real-masks, or another segmenter"
        )
