"""Slice features of one side in one plane, by subject: what kid25d and prdc25d compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from medbench.errors import Unavailable
from medbench.metrics.base import Side
from medbench.spec import Plane

MOST_SLICES = 32
"""Slices of a volume that are kept: neighbours beyond that resemble each other and cost the square of their number."""


@dataclass(frozen=True, eq=False)
class SliceSet:
    """Slice features by subject, 4 · 32 · d bytes a volume: 256 kB for d = 2048.

    Args:
        subjects: names, sorted.
        rows: one array (slices, d) float32 a subject.
    """

    subjects: Sequence[str]
    rows: Sequence[np.ndarray]

    @property
    def counts(self) -> np.ndarray:
        """Slices of each subject."""
        return np.array([len(rows) for rows in self.rows])


def slice_set(side: Side, plane: Plane) -> SliceSet:
    """Return the slices of all volumes of a side, at most 32 a volume, spread evenly along the volume.

    Raises:
        Unavailable: the extractor's weights are not here, or features are not finite.
    """
    found: dict[str, list[np.ndarray]] = {subject: [] for subject in sorted(set(side.subjects))}
    for subject, features in zip(side.subjects, finite_features(side, plane)):
        found[subject].append(np.asarray(thinned(features), dtype=np.float32))
    return SliceSet(tuple(found), [np.concatenate(rows) for rows in found.values()])


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
        if not np.all(np.isfinite(features)):
            raise Unavailable(
                f"the {plane} features of {volume} are not finite: look at that volume and at the weights"
            )
        yield features
