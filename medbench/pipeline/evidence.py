"""Evidence for metrics from volumes on disk: computed on demand, one volume in memory at a time, cached by content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from medbench import registry
from medbench.datasets.tree import read_mask
from medbench.errors import Unavailable
from medbench.features.base import SliceExtractor
from medbench.grid import label_map_to_grid, to_grid
from medbench.metrics.base import Plane
from medbench.metrics.lpips25d import BACKBONE
from medbench.pipeline.cache import Cache
from medbench.progress import Progress
from medbench.samples import Item
from medbench.segmenters.base import Segmenter
from medbench.slices import plane_slices
from medbench.spec import Protocol
from medbench.volume import LabelMap, Volume
from medbench.weights import WeightFile

if TYPE_CHECKING:
    import pandas as pd


class Laboratory:
    """The instruments of one evaluation: protocol, feature network, segmenter, autoencoder and cache.

    Args:
        protocol: in force for both sides.
        device: torch device for the networks.
        cache: where features and segmentations are kept.
        progress: told about every volume.
        reconstruct: the generator's autoencoder, or None.
    """

    def __init__(
        self,
        protocol: Protocol,
        *,
        device: str,
        cache: Cache,
        progress: Progress,
        reconstruct: Callable[[Volume], Volume] | None = None,
    ) -> None:
        self.protocol = protocol
        self.cache = cache
        self.progress = progress
        self.reconstruct = reconstruct
        self._device = device

    @cached_property
    def extractor(self) -> SliceExtractor:
        """The protocol's feature network."""
        extractor: SliceExtractor = registry.load("features", self.protocol.extractor)(device=self._device)
        return extractor

    @cached_property
    def segmenter(self) -> Segmenter:
        """The protocol's segmenter.

        Raises:
            Unavailable: the protocol names none.
        """
        if self.protocol.segmenter is None:
            raise Unavailable("the protocol names no segmenter: give --masks and --real-masks, or another --protocol")
        segmenter: Segmenter = registry.load("segmenters", self.protocol.segmenter)(device=self._device)
        return segmenter

    def read(self, item: Item) -> Volume:
        """Return a volume on the canonical grid."""
        volume = Volume.read(item.path)
        return to_grid(volume, self.protocol.grid) if self.protocol.grid else volume

    def describe(self, field: str) -> Any:
        """Return what a protocol field stands for, down to the hash of weights, for fingerprints and cache keys."""
        if field == "extractor":
            instrument: SliceExtractor | Segmenter = self.extractor
        elif field == "segmenter":
            instrument = self.segmenter
        elif field == "lpips":
            return _sha256_or_absent(BACKBONE)
        else:
            return self.protocol.model_dump(mode="json")[field]
        info = instrument.info
        described = {"name": info.name, "version": info.version, "weights_sha256": instrument.weights_sha256()}
        source = registry.source_sha256(getattr(self.protocol, field))
        return described if source is None else {**described, "source_sha256": source}

    def slice_features(self, item: Item) -> dict[str, np.ndarray]:
        """Return the features of a volume's slices: (slices, features) for each plane of the protocol."""
        return self.cache.arrays("features", item.sha256, self._feature_settings, lambda: self._extract(item))

    def has_features(self, item: Item) -> bool:
        """Say whether a volume's features are cached."""
        return self.cache.has_arrays("features", item.sha256, self._feature_settings)

    @cached_property
    def _feature_settings(self) -> dict[str, Any]:
        return {field: self.describe(field) for field in ("grid", "window", "slices", "extractor")}

    def _extract(self, item: Item) -> dict[str, np.ndarray]:
        voxels = self.read(item).voxels
        protocol = self.protocol
        return {
            plane: np.concatenate(
                [
                    self.extractor.features(chunk)
                    for chunk in plane_slices(voxels, plane, protocol=protocol.slices, window=protocol.window)
                ]
            )
            for plane in protocol.slices.planes
        }

    def label_map(self, item: Item) -> LabelMap:
        """Return a volume's label map on the canonical grid: the mask beside it, or what the segmenter sees.

        Raises:
            Unavailable: the protocol wants masks and there is none.
            GeometryError: the mask lies on another grid than its volume.
        """
        if self.protocol.segmenter == "precomputed":
            return self._read_mask(item)
        settings = {"grid": self.describe("grid"), "segmenter": self.describe("segmenter")}
        names = self.segmenter.names()
        return self.cache.label_map(item.sha256, settings, names, lambda: self.segmenter.segment(self.read(item)))

    def _read_mask(self, item: Item) -> LabelMap:
        if item.mask is None:
            raise Unavailable("there are no masks: give --masks (and --real-masks), or a --protocol with a segmenter")
        mask = read_mask(item.mask, item.path, item.regions)
        return label_map_to_grid(mask, self.protocol.grid) if self.protocol.grid else mask


def _sha256_or_absent(weights: WeightFile) -> str:
    try:
        return weights.sha256()
    except Unavailable:
        return "absent"


class StoredSide:
    """One side of a comparison, from items on disk (see ``medbench.metrics.base.Side``).

    Args:
        items: the volumes.
        laboratory: the instruments.
        name: for progress.
    """

    def __init__(self, items: Sequence[Item], laboratory: Laboratory, *, name: str) -> None:
        self.items = items
        self._laboratory = laboratory
        self._name = name

    @property
    def ids(self) -> list[str]:
        """Ids of the volumes."""
        return [item.id for item in self.items]

    @property
    def subjects(self) -> list[str]:
        """Subject of each volume."""
        return [item.subject for item in self.items]

    def slice_features(self, plane: Plane) -> Iterator[np.ndarray]:
        """Yield one float32 array (slices, features) a volume."""
        waiting = [item for item in self.items if not self._laboratory.has_features(item)]
        for item in self._tracked(waiting, "features"):
            self._laboratory.slice_features(item)
        for item in self.items:
            yield self._laboratory.slice_features(item)[plane]

    def region_voxels(self) -> pd.DataFrame:
        """Return voxel counts: one row a volume, one column a region, plus ``voxels`` and ``voxel_ml``."""
        import pandas as pd

        rows = [self._count(item) for item in self._tracked(self.items, "regions")]
        frame = pd.DataFrame(rows, index=pd.Index(self.ids, name="id"))
        regions = [column for column in frame.columns if column not in {"voxels", "voxel_ml"}]
        # Masks without names are named after the values they hold: a value that one of them lacks has no voxels there.
        frame[regions] = frame[regions].fillna(0).astype(int)
        return frame

    def _count(self, item: Item) -> dict[str, float]:
        label_map = self._laboratory.label_map(item)
        counts = np.bincount(label_map.voxels.reshape(-1), minlength=256)
        values = {name: value for value, name in label_map.names.items()}
        wanted = self._laboratory.protocol.regions or tuple(values)
        # A region that the masks do not name is left out, not counted as absent: the metric then says so.
        found: dict[str, float] = {name: int(counts[values[name]]) for name in wanted if name in values}
        found["voxels"] = label_map.voxels.size
        found["voxel_ml"] = float(np.prod(label_map.spacing_mm)) / 1000.0
        return found

    def volumes(self) -> Iterator[Volume]:
        """Yield the volumes on the canonical grid."""
        for item in self.items:
            yield self._laboratory.read(item)

    def reconstructions(self) -> Iterator[tuple[Volume, Volume]]:
        """Yield (volume, reconstruction), both clipped to the protocol's window."""
        reconstruct = self._laboratory.reconstruct
        if reconstruct is None:
            raise Unavailable("there is no autoencoder: the model does not reconstruct, or only a folder was given")
        for item in self._tracked(self.items, "reconstructions"):
            volume = self._laboratory.read(item)
            yield self._clipped(volume), self._clipped(reconstruct(volume))

    def _clipped(self, volume: Volume) -> Volume:
        window = self._laboratory.protocol.window
        return Volume(volume.voxels.astype(np.float32).clip(window.low, window.high), volume.affine)

    def _tracked(self, items: Sequence[Item], what: str) -> Iterator[Item]:
        if not items:
            return iter(())
        return self._laboratory.progress.track(items, task=f"{what} of {self._name}", total=len(items))
