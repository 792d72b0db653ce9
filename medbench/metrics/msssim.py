"""How alike the volumes of a side are among themselves: MS-SSIM over pairs, synthetic beside real.

    d = |mean MS-SSIM of pairs of synthetic volumes - mean MS-SSIM of pairs of real volumes|

Papers report the first mean and call a low one diverse. By itself it is no measure of quality: noise lowers it as
variety does, and real patients are alike to some degree too. What is ranked is therefore how far it lies from the real
one; both stand in ``parts``.

A volume of more than 2^18 voxels is averaged over blocks first (``medbench.features.shrink``). Each subject takes part
with one volume, the first by name. Up to 23 subjects all pairs are compared; more stand round a circle, in an order
drawn from a fixed seed, and each is compared with as many of its next ones as make at most 256 pairs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from medbench.errors import Unavailable
from medbench.features.shrink import shrunk
from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Derivation, Evidence, Side, volume_table
from medbench.metrics.functional.ms_ssim import SCALE_WEIGHTS, Pyramid, scales_that_fit, similarity
from medbench.records.results import Definition

if TYPE_CHECKING:
    import pandas as pd

    from medbench.imaging.volume import Volume
    from medbench.spec import Protocol, Window

MOST_PAIRS: Final = 256
_MOST_VOXELS: Final = 2**18
_SEED: Final = 20250313


def _derives(protocol: Protocol) -> Sequence[Derivation]:
    return (_small_volumes(protocol),)


class MsSsim:
    """Distance between the mean MS-SSIM of pairs of synthetic volumes and that of pairs of real ones."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="msssim",
        version="1",
        summary="how far the likeness of synthetic volumes among themselves (mean MS-SSIM of pairs) is from that of "
        "real ones",
        better="lower",
        unit=None,
        min_real=2,
        min_synthetic=2,
        source="Odena et al. 2017, arXiv:1610.09585, section 4.2, in 3D as in Kwon et al. 2019, "
        "arXiv:1908.02498; MS-SSIM: Wang, Simoncelli, Bovik 2003",
        derives=_derives,
        parts={
            "synthetic": Definition("mean MS-SSIM of pairs of samples"),
            "real": Definition("mean MS-SSIM of pairs of real volumes"),
        },
        by_default=False,  # its floor compares thousands of pairs, and coverage shows collapse by default
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: volumes of one side have different shapes, or fewer than 3 voxels along an axis.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        require_subjects(self.info, real=evidence.real.subjects, synthetic=evidence.synthetic.subjects)
        real, synthetic = (_Likeness.of(side, evidence.protocol) for side in (evidence.real, evidence.synthetic))
        scales = scales_that_fit(min(real.shape))
        return Measurement.between(
            evidence,
            abs(synthetic.mean() - real.mean()),
            lambda r, s: abs(synthetic.mean(s) - real.mean(r)),
            non_negative=True,
            undefined="without one group of subjects no pair is left",
            parts={"synthetic": synthetic.mean(), "real": real.mean()},
            table=lambda: _table(evidence, real=real, synthetic=synthetic),
            notes=_notes(scales, synthetic.mean() < real.mean()),
            scope={"compared_voxels": list(real.shape), "scales": scales},
        )


@dataclass(frozen=True, eq=False)
class _Likeness:
    """How alike the pairs of one side are.

    Args:
        ids: the side's volumes.
        shape: of the volumes as compared.
        pairs: (p, 2) places in ``ids``.
        values: (p,) MS-SSIM.
    """

    ids: Sequence[str]
    shape: tuple[int, ...]
    pairs: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, side: Side, protocol: Protocol) -> _Likeness:
        first = dict(sorted(zip(side.subjects, side.ids), reverse=True))  # of each subject, the first id comes last
        place_of = {volume: place for place, volume in enumerate(side.ids)}
        subjects = np.array([place_of[first[subject]] for subject in sorted(first)])
        pairs = subjects[chosen_pairs(len(subjects))]
        places = np.unique(pairs).tolist()
        small = _small_volumes(protocol).from_side(side.only([side.ids[place] for place in places]))
        volumes = {place: arrays["voxels"] for place, arrays in zip(places, small)}
        shapes = {volume.shape for volume in volumes.values()}
        if len(shapes) > 1:
            raise Unavailable(f"volumes of different shapes cannot be compared by MS-SSIM: {sorted(shapes)[:3]}")

        @functools.lru_cache(maxsize=32)  # partners lie next to each other: each pyramid is built once or twice
        def pyramid(place: int) -> Pyramid:
            return Pyramid.of(volumes[place])

        values = [similarity(pyramid(one), pyramid(other)) for one, other in pairs.tolist()]
        return cls(side.ids, shapes.pop(), pairs, np.array(values))

    def mean(self, stay: np.ndarray | slice = slice(None)) -> float:
        """Return the mean over the pairs of which both volumes stay; NaN where there are none."""
        stays = np.zeros(len(self.ids), dtype=bool)
        stays[stay] = True
        kept = self.values[stays[self.pairs].all(axis=1)]
        return float(kept.mean()) if len(kept) else float("nan")

    def of_volume(self, place: int) -> tuple[int, float, float, str]:
        """Return its number of pairs, their mean and largest MS-SSIM, and the partner of the largest."""
        mine = (self.pairs == place).any(axis=1)
        if not mine.any():
            return 0, float("nan"), float("nan"), ""
        values, pairs = self.values[mine], self.pairs[mine]
        closest = pairs[values.argmax()]
        return len(values), float(values.mean()), float(values.max()), self.ids[closest[closest != place].item()]


def chosen_pairs(count: int, most: int = MOST_PAIRS) -> np.ndarray:
    """Return which of so many subjects are compared: (pairs, 2), all pairs where they are at most ``most``.

    Otherwise subjects stand in a circle, in an order drawn from a fixed seed, and each is compared with its next ones,
    so that all take part in equally many pairs; of more than ``most`` subjects that many are drawn.

    >>> chosen_pairs(3).tolist()
    [[0, 1], [0, 2], [1, 2]]
    >>> len(chosen_pairs(88)), np.bincount(chosen_pairs(88).ravel()).tolist() == [4] * 88
    (176, True)
    """
    if count * (count - 1) // 2 <= most:
        return np.array([(first, second) for first in range(count) for second in range(first + 1, count)])
    circle = np.random.default_rng(_SEED).permutation(count)[:most]
    steps = range(1, max(1, most // len(circle)) + 1)
    return np.array([(one, circle[(at + step) % len(circle)]) for at, one in enumerate(circle) for step in steps])


def _small_volumes(protocol: Protocol) -> Derivation:
    window = protocol.window
    settings = {"version": 1, "window": window.model_dump(mode="json"), "most_voxels": _MOST_VOXELS}
    return Derivation("msssim", functools.partial(_small, window=window), ("volume",), settings)


def _small(volume: Volume, *, window: Window) -> dict[str, np.ndarray]:
    import torch

    scaled = np.ascontiguousarray(volume.voxels, dtype=np.float32)
    scaled = scaled.clip(window.low, window.high)
    scaled -= np.float32(window.low)
    scaled /= np.float32(window.width)
    whole = torch.from_numpy(scaled)[None, None]
    return {"voxels": shrunk(whole, most_voxels=_MOST_VOXELS)[0, 0].numpy()}


def _notes(scales: int, less_alike: bool) -> tuple[str, ...]:
    notes = []
    if scales < len(SCALE_WEIGHTS):
        notes.append(f"the volumes hold {scales} of MS-SSIM's {len(SCALE_WEIGHTS)} scales: compare equal numbers only")
    if less_alike:
        notes.append("synthetic volumes are less alike than real ones: more variety, or noise and defects")
    return tuple(notes)


def _table(evidence: Evidence, *, real: _Likeness, synthetic: _Likeness) -> pd.DataFrame:
    parts = []
    for name, side, likeness in (("real", evidence.real, real), ("synthetic", evidence.synthetic, synthetic)):
        rows = [likeness.of_volume(place) for place in range(len(side.ids))]
        columns = ("pairs", "mean_ms_ssim", "largest_ms_ssim", "with")
        parts.append((name, side, dict(zip(columns, (list(column) for column in zip(*rows))))))
    return volume_table(parts)
