"""A volume with what lies beside it or is seen in it, each read at most once while it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from medbench.errors import DataError, Unavailable
from medbench.evaluation.pairing import content_of
from medbench.imaging.grid import label_map_to_grid, to_grid
from medbench.imaging.masks import read_mask
from medbench.imaging.volume import LabelMap, Volume
from medbench.records.samples import StoredVolume

if TYPE_CHECKING:
    from medbench.evaluation.instruments import Instruments
    from medbench.metrics.evidence import Input

T = TypeVar("T")
PRECOMPUTED = "precomputed"


class Opened:
    """One volume on disk while it is looked at.

    Args:
        item: the volume.
        instruments: what it is seen with.
    """

    def __init__(self, item: StoredVolume, instruments: Instruments) -> None:
        self.item = item
        self._instruments = instruments
        self._held: dict[object, object] = {}

    def stored(self) -> Volume:
        """Return the volume as its file has it; ask for it before ``volume``, which lets go of it."""
        return self._once("stored", lambda: Volume.read(self.item.path))

    def volume(self) -> Volume:
        """Return the volume on the canonical grid."""
        grid = self._instruments.protocol.grid

        def made() -> Volume:
            found = self.stored() if grid is None else to_grid(self.stored(), grid)
            del self._held["stored"]
            return found

        return self._once("volume", made)

    def segmentation(self) -> LabelMap:
        """Return what the segmenter sees in the volume, on the canonical grid, or the mask that stands for that.

        Raises:
            Unavailable: the protocol wants masks and there is none.
            GeometryError: the mask lies on another grid than its volume.
        """
        if self._instruments.protocol.segmenter == PRECOMPUTED:
            return self._mask(drawn=True)
        return self._once("segmentation", lambda: self._instruments.segmented(self.item, self.volume))

    def mask(self) -> LabelMap:
        """Return the label map that the volume was made from, or that was drawn on it, on the canonical grid.

        Raises:
            Unavailable: there is none.
            GeometryError: the mask lies on another grid than its volume.
        """
        return self._mask(drawn=False)

    def reconstruction(self) -> Volume:
        """Return what the generator's autoencoder makes of the volume, on the canonical grid.

        Raises:
            Unavailable: there is no autoencoder in this process.
            DataError: it returned another shape.
        """

        def made() -> Volume:
            volume = self.volume()
            again = self._instruments.reconstructed(volume)
            if again.shape != volume.shape:
                raise DataError(f"the generator returned {self.item.id} with shape {again.shape}, not {volume.shape}")
            return again

        return self._once("reconstructed", made)

    def inputs(self, names: Sequence[Input]) -> list[Volume | LabelMap]:
        """Return the inputs of a derivation."""
        readers: dict[Input, Callable[[], Volume | LabelMap]] = {
            "volume": self.volume,
            "segmentation": self.segmentation,
            "mask": self.mask,
            "reconstructed": self.reconstruction,
        }
        return [readers[name]() for name in names]

    def _mask(self, *, drawn: bool) -> LabelMap:
        file, names = mask_file(self.item, drawn=drawn)
        grid = self._instruments.protocol.grid

        def made() -> LabelMap:
            mask = read_mask(file, self.item.path, names)
            if file == self.item.condition:  # so that pairing need not read it again
                content_of(file, self._instruments.cache, lambda: mask)
            return label_map_to_grid(mask, grid) if grid else mask

        return self._once((file, tuple(sorted((names or {}).items()))), made)

    def _once(self, what: object, made: Callable[[], T]) -> T:
        if what not in self._held:
            self._held[what] = made()
        found: T = self._held[what]  # type: ignore[assignment]
        return found


def mask_file(item: StoredVolume, *, drawn: bool) -> tuple[Path, Mapping[int, str] | None]:
    """Return the label map of what a volume shows, or unless ``drawn`` rather the one that it was made from.

    Raises:
        Unavailable: there is none.
    """
    if item.condition is not None and not drawn:
        return item.condition, item.condition_regions
    if item.mask is not None:
        return item.mask, item.regions
    if item.condition is not None:
        raise Unavailable(
            f"{item.path.name} has the label map that it was made from, but none of what it shows: name a segmenter "
            "that sees voxels with --segmenter"
        )
    raise Unavailable(
        f"{item.path.name} has no mask: give --masks (and --real-masks), or, where its own regions are wanted, a "
        "--segmenter"
    )
