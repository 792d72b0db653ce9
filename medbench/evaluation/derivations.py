"""What metrics derive of a volume: the features and regions that follow from their needs, and what they declare."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from functools import partial
from typing import Final

import numpy as np

from medbench import registry
from medbench.drawing.panels import VIEWS, CentreSlices
from medbench.engines.ahead import ahead
from medbench.evaluation.instruments import Instruments, network_turn
from medbench.features.seen import as_seen
from medbench.imaging.slices import plane_slices
from medbench.imaging.volume import LabelMap, Volume
from medbench.metrics.base import MetricInfo
from medbench.metrics.evidence import Derivation
from medbench.spec import Plane

_SLICE_FEATURES: Final = ("window", "slices", "extractor")


def slice_features(instruments: Instruments) -> Derivation:
    """Return the features of a volume's slices: float32 (slices, features) a plane.

    Raises:
        Unavailable: the extractor's weights are not here.
    """
    settings = {field: instruments.describe(field) for field in _SLICE_FEATURES}
    return Derivation("features", partial(_slice_features, instruments), ("volume",), settings)


def volume_features(instruments: Instruments) -> Derivation:
    """Return the features of a volume: ``features``, float32 (features,).

    Raises:
        Unavailable: the extractor's weights are not here.
    """
    settings = {"window": instruments.describe("window"), "extractor": instruments.describe("volume_extractor")}
    return Derivation("volume-features", partial(_volume_features, instruments), ("volume",), settings)


def _slice_features(instruments: Instruments, volume: Volume) -> dict[str, np.ndarray]:
    protocol, device = instruments.protocol, instruments.device
    found: dict[Plane, list[np.ndarray]] = {plane: [] for plane in protocol.slices.planes}
    chunks = (
        (plane, chunk)
        for plane in found
        for chunk in plane_slices(volume.voxels, plane, protocol=protocol.slices, window=protocol.window)
    )
    with network_turn(device):
        # On a CPU network and preparation would want the same core.
        for plane, chunk in chunks if device == "cpu" else ahead(chunks):
            found[plane].append(instruments.extractor.features(chunk))
    return {plane: np.concatenate(parts) for plane, parts in found.items()}


def _volume_features(instruments: Instruments, volume: Volume) -> dict[str, np.ndarray]:
    extractor = instruments.volume_extractor
    seen = as_seen(volume, extractor.info, instruments.protocol.window)
    with network_turn(instruments.device):
        return {"features": extractor.features(seen)}


def _region_counts(label_map: LabelMap) -> dict[str, np.ndarray]:
    counts = np.sum([np.bincount(plane.reshape(-1), minlength=256) for plane in label_map.voxels], axis=0)
    return {
        "names": np.array(list(label_map.names.values()), dtype=np.str_),
        "counts": np.array([counts[value] for value in label_map.names], dtype=np.int64),
        "voxels": np.array(label_map.voxels.size),
        "voxel_ml": np.array(label_map.voxel_ml),
    }


REGIONS: Final = Derivation("regions", _region_counts, ("segmentation",), {"version": 2})


def _centre_slices(volume: Volume) -> dict[str, np.ndarray]:
    centre = CentreSlices.of(volume)
    views = dict(zip(VIEWS, centre.views))
    return {**views, "shape": np.array(centre.shape), "spacing_mm": np.array(centre.spacing_mm)}


CENTRE_SLICES: Final = Derivation("centre-slices", _centre_slices, ("volume",), {"version": 1})


def centre_slices(arrays: Mapping[str, np.ndarray]) -> CentreSlices:
    """Return what ``CENTRE_SLICES`` found as a figure takes it."""
    (x, y, z), (dx, dy, dz) = arrays["shape"].tolist(), arrays["spacing_mm"].tolist()
    return CentreSlices((x, y, z), (dx, dy, dz), tuple(arrays[view] for view in VIEWS))


def wanted_by(metrics: Sequence[str], instruments: Instruments) -> list[Derivation]:
    """Return what metrics will derive of each volume; what cannot be had is left out: its metric says why.

    Args:
        metrics: registered names.
        instruments: what the volumes are seen with.
    """
    infos: list[MetricInfo] = [registry.load("metrics", name).info for name in metrics]
    needs = [set(info.needs) for info in infos]
    asked: list[Callable[[], Sequence[Derivation]]] = [partial(info.derives, instruments.protocol) for info in infos]
    asked += [partial(_one, made, instruments) for needed, made in _OF_NEEDS if any(needed <= own for own in needs)]
    found: list[Derivation] = []
    for ask in asked:
        with suppress(Exception):  # a plug-in may raise anything
            found += ask()
    return found


def beside_bytes(metrics: Sequence[str], instruments: Instruments) -> int:
    """Return the memory of the process that the segmenter starts beside each worker; 0 where none is needed.

    Args:
        metrics: registered names.
        instruments: what the volumes are seen with.
    """
    needed = any("segmenter" in registry.load("metrics", name).info.needs for name in metrics)
    if not needed or instruments.protocol.segmenter is None:
        return 0
    # Segmenters in files may declare themselves with a class of their own.
    return getattr(instruments.segmenter.info, "process_bytes", 0)


def _one(made: Callable[[Instruments], Derivation], instruments: Instruments) -> Sequence[Derivation]:
    return (made(instruments),)


_OF_NEEDS: Final[Sequence[tuple[AbstractSet[str], Callable[[Instruments], Derivation]]]] = (
    ({"segmenter", "regions"}, lambda _: REGIONS),
    ({"volume_extractor"}, volume_features),
    ({"slices", "extractor"}, slice_features),
)
