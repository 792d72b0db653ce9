"""What ``hu`` takes from one volume: quantiles of each region, noise, and adjacent slices. All of it is cached."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medbench.metrics.functional.texture import (
    FEWEST_ROIS,
    adjacent_correlation,
    eroded,
    homogeneous_rois,
    noise_figures,
    noise_power,
    radial_mean,
    worst_dip,
)

if TYPE_CHECKING:
    from medbench.imaging.volume import LabelMap, Volume
    from medbench.spec import Window

LEVELS = (np.arange(100) + 0.5) / 100
FEWEST_VOXELS = 20
NOISE = ("sd", "mean_frequency", "peak_frequency")
SLICES = ("correlation", "dip", "dip_slice")


def volume_figures(volume: Volume, label_map: LabelMap, *, window: Window) -> dict[str, np.ndarray]:
    """Return the figures of one volume; NaN where there are none.

    Args:
        volume: HU, clipped to ``window`` first.
        label_map: on the volume's grid.
        window: the protocol's.

    Returns:
        names (regions,); voxels (regions,) and inside (regions,), whole and eroded; quantiles (regions, 100) of the
        eroded region; noise (3,) and spectrum (rings,); slices (3,).
    """
    hu = _clipped(volume.voxels, window)
    voxels, names = _one_value_a_name(label_map)
    inside = eroded(voxels)
    values = list(names)
    counts, counts_inside = (_counts(labels)[values] for labels in (voxels, inside))
    quantiles = np.full((len(values), len(LEVELS)), np.nan)
    for row, (value, count) in enumerate(zip(values, counts_inside)):
        if count >= FEWEST_VOXELS:
            quantiles[row] = np.quantile(hu[inside == value].astype(np.float32), LEVELS, method="hazen")
    return {
        "names": np.array(list(names.values()), dtype=np.str_),
        "voxels": counts,
        "inside": counts_inside,
        "quantiles": quantiles,
        **_noise(hu, inside, volume.spacing_mm[:2]),
        **_slices(hu),
    }


def _clipped(voxels: np.ndarray, window: Window) -> np.ndarray:
    """Return voxels clipped to a window: int16 where that holds all values, which is half of float32."""
    if voxels.dtype == np.int16 and all(float(end).is_integer() for end in (window.low, window.high)):
        lowest, highest = np.iinfo(np.int16).min, np.iinfo(np.int16).max
        return voxels.clip(max(int(window.low), lowest), min(int(window.high), highest))
    return voxels.astype(np.float32).clip(window.low, window.high)


def _counts(labels: np.ndarray) -> np.ndarray:
    """Return how many voxels have each value (256,), plane by plane: NumPy counts in copies of eight bytes a voxel."""
    counts: np.ndarray = np.sum([np.bincount(plane.ravel(), minlength=256) for plane in labels], axis=0)
    return counts


def _one_value_a_name(label_map: LabelMap) -> tuple[np.ndarray, Mapping[int, str]]:
    """Return labels and names where each name has one value: the first of those that bear it."""
    first = {name: value for value, name in reversed(list(label_map.names.items()))}
    if len(first) == len(label_map.names):
        return label_map.voxels, label_map.names
    becomes = np.arange(256, dtype=np.uint8)
    for value, name in label_map.names.items():
        becomes[value] = first[name]
    return becomes[label_map.voxels], {value: name for value, name in label_map.names.items() if first[name] == value}


def _noise(hu: np.ndarray, inside: np.ndarray, spacing_mm: tuple[float, float]) -> dict[str, np.ndarray]:
    rois = homogeneous_rois(hu, inside)
    rings = rois.shape[1] // 2
    if len(rois) < FEWEST_ROIS:
        return {"noise": np.full(len(NOISE), np.nan), "spectrum": np.full(rings, np.nan)}
    figures = noise_figures(rois, spacing_mm)
    _, spectrum = radial_mean(noise_power(rois, spacing_mm), spacing_mm)
    return {"noise": np.array([figures[name] for name in NOISE]), "spectrum": spectrum}


def _slices(hu: np.ndarray) -> dict[str, np.ndarray]:
    correlations = adjacent_correlation(hu)
    found = worst_dip(correlations)
    if found is None:
        return {"slices": np.full(len(SLICES), np.nan)}
    return {"slices": np.array([np.nanmedian(correlations), *found])}


@dataclass(frozen=True, eq=False)
class Figures:
    """The figures of all volumes of a side, one row a volume.

    Args:
        subjects: the subject of each volume.
        voxels: by region (volumes,), whole.
        quantiles: by region (volumes, 100); NaN where too little is left inside.
        noise: (volumes, 3); see ``NOISE``.
        spectrum: (volumes, rings); no rings where the volumes' differ in number, as those of small and large planes do.
        slices: (volumes, 3); see ``SLICES``.
    """

    subjects: Sequence[str]
    voxels: Mapping[str, np.ndarray]
    quantiles: Mapping[str, np.ndarray]
    noise: np.ndarray
    spectrum: np.ndarray
    slices: np.ndarray

    def medians(self, region: str) -> np.ndarray:
        """Return the median HU (volumes,) inside a region; NaN where there is none."""
        found: np.ndarray = self.quantiles[region][:, 49:51].mean(axis=1)
        return found


def collected(volumes: Iterable[Mapping[str, np.ndarray]], subjects: Sequence[str]) -> Figures:
    """Put the figures of a side's volumes together.

    A region that a label map does not name has no voxels there.

    Args:
        volumes: from ``volume_figures``.
        subjects: the subject of each volume.
    """
    found = list(volumes)
    rows = [{name: row for row, name in enumerate(figures["names"].tolist())} for figures in found]

    def by_region(what: str, absent: np.ndarray) -> dict[str, np.ndarray]:
        return {
            name: np.stack([one[what][row[name]] if name in row else absent for one, row in zip(found, rows)])
            for name in dict.fromkeys(name for row in rows for name in row)
        }

    alike = len({len(one["spectrum"]) for one in found}) == 1
    return Figures(
        subjects=subjects,
        voxels=by_region("voxels", np.array(0)),
        quantiles=by_region("quantiles", np.full(len(LEVELS), np.nan)),
        spectrum=np.stack([one["spectrum"] for one in found]) if alike else np.empty((len(found), 0)),
        **{name: np.stack([one[name] for one in found]) for name in ("noise", "slices")},
    )
