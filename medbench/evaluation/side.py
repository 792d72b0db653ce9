"""One side of a comparison, from volumes on disk: one of them in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medbench.drawing.panels import CentreSlices
from medbench.evaluation.derivations import CENTRE_SLICES, REGIONS, centre_slices, slice_features, volume_features
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.opened import PRECOMPUTED
from medbench.imaging.volume import LabelMap, Volume
from medbench.metrics.evidence import Derivation, Input
from medbench.records.samples import StoredVolume, content_once
from medbench.spec import Plane, fingerprint

if TYPE_CHECKING:
    import pandas as pd

_COUNTS = ("voxels", "voxel_ml")


@dataclass(frozen=True)
class StoredSide:
    """One side of a comparison, from items on disk (see ``medbench.metrics.evidence.Side``).

    Args:
        items: the volumes.
        instruments: what they are seen with.
        name: for progress.
    """

    items: Sequence[StoredVolume]
    instruments: Instruments
    name: str

    @property
    def ids(self) -> list[str]:
        """Ids of the volumes."""
        return [item.id for item in self.items]

    @property
    def subjects(self) -> list[str]:
        """Subject of each volume."""
        return [item.subject for item in self.items]

    @property
    def content(self) -> str:
        """A fingerprint of the volumes and of the masks beside them."""
        return fingerprint(
            [
                [item.sha256, *(content_once(file) if file else None for file in (item.mask, item.condition))]
                for item in self.items
            ]
        )

    @property
    def masks_stand_for_segmenter(self) -> bool:
        """Whether the same files would serve as masks and as segmentations."""
        shared = any(item.condition is None and item.mask is not None for item in self.items)
        return self.instruments.protocol.segmenter == PRECOMPUTED and shared

    def of(self, items: Sequence[StoredVolume]) -> StoredSide:
        """Return a side of other volumes, seen by the same instruments."""
        return replace(self, items=items)

    def only(self, ids: Sequence[str]) -> StoredSide:
        """Return the same side with these volumes alone."""
        by_id = {item.id: item for item in self.items}
        return self.of([by_id[volume] for volume in ids])

    def slice_features(self, plane: Plane) -> Iterator[np.ndarray]:
        """Yield one float32 array (slices, features) a volume; the planes of a volume are computed together."""
        for arrays in self._derived(slice_features(self.instruments), only=(plane,)):
            yield arrays[plane]

    def volume_features(self) -> Iterator[np.ndarray]:
        """Yield one float32 array (features,) a volume."""
        for arrays in self._derived(volume_features(self.instruments)):
            yield arrays["features"]

    def region_voxels(self) -> pd.DataFrame:
        """Return voxel counts: one row a volume, one column a region, plus ``voxels`` and ``voxel_ml``."""
        import pandas as pd

        rows = [self._row(arrays) for arrays in self._derived(REGIONS)]
        frame = pd.DataFrame(rows, index=pd.Index(self.ids, name="id"))
        regions = [column for column in frame.columns if column not in _COUNTS]
        # Masks without names are named after the values they hold: a value that one of them lacks has no voxels there.
        frame[regions] = frame[regions].fillna(0).astype(int)
        return frame

    def _row(self, arrays: Mapping[str, np.ndarray]) -> dict[str, float]:
        counts: dict[str, int] = {}
        for name, count in zip(arrays["names"].tolist(), arrays["counts"].tolist()):
            counts[name] = counts.get(name, 0) + count  # several values may bear one name
        # A region that the masks do not name is left out, not counted as absent: the metric then says so.
        wanted = self.instruments.protocol.regions or tuple(counts)
        row: dict[str, float] = {name: counts[name] for name in wanted if name in counts}
        return row | {name: arrays[name].item() for name in _COUNTS}

    def volumes(self) -> Iterator[Volume]:
        """Yield the volumes on the canonical grid."""
        return (self.instruments.open(item).volume() for item in self.items)

    def centre_slices(self) -> Iterator[CentreSlices]:
        """Yield the slices of each volume that a montage shows."""
        return map(centre_slices, self._derived(CENTRE_SLICES))

    def segmentations(self) -> Iterator[LabelMap]:
        """Yield what the segmenter sees in each volume."""
        waiting = [item for item in self.items if not self.instruments.has_segmentation(item)]
        for item in self._tracked(waiting, "regions"):
            self.instruments.open(item).segmentation()
        yield from (self.instruments.open(item).segmentation() for item in self.items)

    def masks(self) -> Iterator[LabelMap]:
        """Yield the label map that each volume was made from, or that was drawn on it."""
        return (self.instruments.open(item).mask() for item in self.items)

    def derived(
        self,
        name: str,
        compute: Callable[..., Mapping[str, np.ndarray]],
        *,
        of: Sequence[Input],
        settings: Mapping[str, Any],
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yield what a pure function makes of each volume, cached by content."""
        return self._derived(Derivation(name, compute, of, settings))

    def _derived(self, what: Derivation, *, only: Sequence[str] = ()) -> Iterator[dict[str, np.ndarray]]:
        waiting = [item for item in self.items if not self.instruments.has_derived(item, what)]
        for item in self._tracked(waiting, what.name):
            self.instruments.derived(self.instruments.open(item), what)
        for item in self.items:
            yield self.instruments.derived(self.instruments.open(item), what, only=only)

    def reconstructions(self) -> Iterator[tuple[Volume, Volume]]:
        """Yield (volume, reconstruction), both clipped to the protocol's window."""
        for item in self._tracked(self.items, "reconstructions"):
            opened = self.instruments.open(item)
            yield self._clipped(opened.volume()), self._clipped(opened.reconstruction())

    def _clipped(self, volume: Volume) -> Volume:
        window = self.instruments.protocol.window
        return Volume(volume.voxels.astype(np.float32).clip(window.low, window.high), volume.affine)

    def _tracked(self, items: Sequence[StoredVolume], what: str) -> Iterator[StoredVolume]:
        if not items:
            return iter(())
        return self.instruments.progress.track(items, task=f"{what} of {self.name}", total=len(items))
