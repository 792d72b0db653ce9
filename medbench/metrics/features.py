"""Features of one side, of its slices in a plane or of its volumes: what metrics of features compare."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from medbench.errors import Unavailable
from medbench.metrics.evidence import Evidence, Side, volume_table
from medbench.metrics.spill import held
from medbench.metrics.together import Pair, Together
from medbench.records.results import Definition
from medbench.spec import Plane

if TYPE_CHECKING:
    import pandas as pd

_STRIP = 1024
MOST_SLICES = 32
"""Slices of a volume that are kept: neighbours beyond that resemble each other and cost the square of their number."""


def by_plane(what: str) -> dict[str, Definition]:
    """Return what a metric's parts are where each is the value of one plane's slices.

    Args:
        what: the part, like ``the same distance``.
    """
    planes: dict[Plane, str] = {"xy": "axial", "yz": "sagittal", "zx": "coronal"}
    return {plane: Definition(f"{what}, of {name} slices alone") for plane, name in planes.items()}


def pooled_slices(together: Together, plane: Plane, evidence: Evidence) -> list[np.ndarray]:
    """Return the features (slices, d) of each volume of a pool, read once.

    Of each volume at most 32 slices are kept, spread evenly along it, as float32: 256 kB for d = 2048. Beyond 1 GiB
    they lie on disk while they are used.

    Raises:
        Unavailable: the extractor's weights are not here, or features are not finite.
    """
    features = chain.from_iterable(finite_features(side, plane) for side in together.pool)
    kept = (np.array(thinned(one), dtype=np.float32) for one in features)
    return held(kept, lambda: evidence.workspace.folder("features-in-use", {}))


def thinned(features: np.ndarray, most: int = MOST_SLICES) -> np.ndarray:
    """Return at most ``most`` rows, the middle one of each of as many equal stretches."""
    if len(features) <= most:
        return features
    return features[(2 * np.arange(most) + 1) * len(features) // (2 * most)]


def finite_features(side: Side, plane: Plane) -> Iterator[np.ndarray]:
    """Yield a side's slice features, one array (slices, d) a volume.

    Raises:
        Unavailable: the extractor's weights are not here, or a volume's features are not finite.
    """
    for volume, features in zip(side.ids, side.slice_features(plane)):
        yield _finite(features, f"{plane} features of {volume}")


def volume_vectors(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """Return the features of the volumes of both sides, (volumes, d) float64 each; read once for all comparisons.

    Raises:
        Unavailable: the extractor's weights are not here, or features are not finite.
    """
    pooled, pair = evidence.shared("volume vectors", _pooled_vectors)
    return pooled[pair.real], pooled[pair.synthetic]


def _pooled_vectors(together: Together) -> list[tuple[np.ndarray, Pair]]:
    vectors = [
        _finite(vector, f"features of {volume}")
        for side in together.pool
        for volume, vector in zip(side.ids, side.volume_features())
    ]
    pooled = np.array(vectors, dtype=np.float64)
    return [(pooled, pair) for pair in together.pairs]


def _finite(features: np.ndarray, what: str) -> np.ndarray:
    if not np.all(np.isfinite(features)):
        raise Unavailable(f"the {what} are not finite: look at that volume and at the weights")
    return features


def volumes_by_subject(vectors: np.ndarray, side: Side) -> list[np.ndarray]:
    """Return the rows of a side's features (volumes, d) of each subject, in the order of the subjects' names."""
    order = np.argsort(np.asarray(side.subjects), kind="stable")
    _, starts = np.unique(np.asarray(side.subjects)[order], return_index=True)
    return np.split(vectors[order], starts[1:])


def vector_table(evidence: Evidence, *, real: np.ndarray, synthetic: np.ndarray) -> pd.DataFrame:
    """Return one row a volume: how far it lies from the mean of the real volumes, and from the nearest other one.

    Args:
        evidence: gives the ids and subjects of the rows.
        real: (n, d) features; n of at least two.
        synthetic: (m, d) likewise.
    """
    parts = []
    for name, side, rows in (("real", evidence.real, real), ("synthetic", evidence.synthetic, synthetic)):
        columns = {
            "distance_to_real_mean": np.linalg.norm(rows - real.mean(axis=0), axis=1),
            "distance_to_nearest_real": _to_nearest(rows, real),
        }
        parts.append((name, side, columns))
    return volume_table(parts)


def _to_nearest(rows: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Return each row's distance to the nearest real one but itself, a strip of rows at a time."""
    origin = real.mean(axis=0)  # products of what lies about the origin tell which one is the nearest
    columns = (real - origin).T
    norms = np.square(columns).sum(axis=0)
    found = []
    for start in range(0, len(rows), _STRIP):
        strip = rows[start : start + _STRIP]
        squares = norms - 2.0 * ((strip - origin) @ columns)  # less the same number in each row
        if rows is real:
            np.fill_diagonal(squares[:, start:], np.inf)
        found.append(np.linalg.norm(strip - real[squares.argmin(axis=1)], axis=1))
    return np.concatenate(found)


def notes_on_bias(count: int, rows: str, dimension: int) -> tuple[str, ...]:
    """Return what a reader of a Fréchet distance should know where the side with fewer rows has few.

    Args:
        count: rows of that side.
        rows: what they are, in the plural.
        dimension: of the features.
    """
    if count > dimension:
        return ()
    return (f"{count} {rows} in {dimension} dimensions bias the distance upwards: compare at equal counts only",)
