"""Regional volume ratio: the voxels of a region over all voxels of its volume, as a distribution against the real one.

The MedLoRD paper draws these distributions and computes no distance; the figures here do. A region that a volume
lacks counts with ratio 0, so that a generator that forgets organs pays for it; how often that happens is reported
apart (missing_rate). The ratio depends on the field of view; volumes in mL and the share of all regions together,
which are parts, do not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import Unavailable
from medbench.metrics.base import Evidence, Measurement, MetricInfo, require_subjects
from medbench.metrics.functional.regions import (
    composition,
    ks_p_values,
    log_volume_distance,
    mean_wasserstein,
    region_figures,
)
from medbench.statistics.multiple_tests import holm
from medbench.statistics.resampling import NOT_ASKED, Interval, jackknifed
from medbench.volume import UNNAMED

if TYPE_CHECKING:
    import pandas as pd

_NOT_REGIONS = ("voxels", "voxel_ml")


class Rvr:
    """Distance between the distributions of regional volume ratios of real and synthetic volumes."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="rvr",
        version="1",
        summary="mean over regions of the Wasserstein-1 distance of regional volume ratios, in real SDs",
        better="lower",
        unit="real SD",
        min_real=2,
        min_synthetic=2,
        source="MedLoRD, arXiv:2503.13211 (the ratio); the distances are medbench's",
        needs=("segmenter", "regions"),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: no segmenter and no masks, or no region varies among the real volumes.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        real_side, synthetic_side = evidence.real, evidence.synthetic
        require_subjects(self.info, real=real_side.subjects, synthetic=synthetic_side.subjects)
        counts = _complete(real_side.region_voxels(), synthetic_side.region_voxels())
        regions, notes = _usable(counts, evidence.protocol.regions)
        if not regions:
            raise Unavailable(
                f"no region can be compared: {'; '.join(notes)}: name the masks' values in labels.json beside them, or "
                "take a --protocol that names no regions"
            )
        real, synthetic = _ratios(counts.real, regions), _ratios(counts.synthetic, regions)
        parts = _parts(counts, regions, real=real, synthetic=synthetic)
        value = parts["overall"]["wasserstein"]
        joint = _joint(counts, regions)
        subjects = real_side.subjects, synthetic_side.subjects
        interval = NOT_ASKED
        if isinstance(joint, str):
            notes.append(joint)
        else:
            parts["overall"]["frechet_log_volume"] = log_volume_distance(real=joint.real, synthetic=joint.synthetic)
        if evidence.intervals:
            interval = _interval(mean_wasserstein, real=real, synthetic=synthetic, subjects=subjects)
            if not isinstance(joint, str):
                notes += _add_joint_interval(parts["overall"], joint, subjects)
            notes += _add_tests(parts, regions, real=real, synthetic=synthetic, subjects=subjects)
        return Measurement.of(
            value, interval, parts=parts, table=_table(counts), notes=tuple(notes), scope={"compared": regions}
        )


@dataclass(frozen=True, eq=False)
class _Counts:
    real: pd.DataFrame
    synthetic: pd.DataFrame


def _complete(real: pd.DataFrame, synthetic: pd.DataFrame) -> _Counts:
    """Count 0 voxels of an unnamed label value that only the other side's masks hold; named regions must be known.

    A side whose masks have names does not know the other side's unnamed values: what they stand for is not said.
    """

    def with_values_of(frame: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
        if not all(name.startswith(UNNAMED) for name in frame.columns if name not in _NOT_REGIONS):
            return frame
        absent = [name for name in other.columns if name.startswith(UNNAMED) and name not in frame]
        return frame.assign(**dict.fromkeys(absent, 0))

    return _Counts(with_values_of(real, synthetic), with_values_of(synthetic, real))


def _usable(counts: _Counts, wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the regions that can be compared, and a note on each that cannot."""
    regions, notes = [], []
    for region in wanted or [name for name in counts.real.columns if name not in _NOT_REGIONS]:
        if region not in counts.real or region not in counts.synthetic:
            side = "real" if region not in counts.real else "synthetic"
            notes.append(f"{region} left out: the masks of the {side} volumes do not know it")
        elif not counts.real[region].any():
            notes.append(f"{region} left out: no real volume has it")
        elif np.ptp(_ratios(counts.real, [region])) == 0:
            notes.append(f"{region} left out: it does not vary among the real volumes")
        else:
            regions.append(region)
    return regions, notes


def _ratios(counts: pd.DataFrame, regions: Sequence[str]) -> np.ndarray:
    ratios: np.ndarray = counts[list(regions)].to_numpy(dtype=float) / counts[["voxels"]].to_numpy(dtype=float)
    return ratios


@dataclass(frozen=True, eq=False)
class _Joint:
    """Volumes (mL) of the volumes that have all regions, and which ones of all these are."""

    real: np.ndarray
    synthetic: np.ndarray
    rows: tuple[np.ndarray, np.ndarray]


def _parts(
    counts: _Counts, regions: Sequence[str], *, real: np.ndarray, synthetic: np.ndarray
) -> dict[str, dict[str, float]]:
    parts = {
        region: region_figures(real=real[:, column], synthetic=synthetic[:, column])
        | {
            "volume_ml": float(_ml(counts.synthetic, region).median()),
            "volume_ml_real": float(_ml(counts.real, region).median()),
        }
        for column, region in enumerate(regions)
    }
    parts["overall"] = {"wasserstein": mean_wasserstein(real=real, synthetic=synthetic)}
    shares = [composition(frame[list(regions)].to_numpy(dtype=float)) for frame in (counts.real, counts.synthetic)]
    if len(regions) > 1 and min(len(one) for one in shares) > 0:
        for column, region in enumerate(regions):
            of_region = [one[:, [column]] for one in shares]
            if np.ptp(of_region[0]) > 0:
                distance = mean_wasserstein(real=of_region[0], synthetic=of_region[1])
                parts[region]["composition_wasserstein"] = distance
    return parts


def _joint(counts: _Counts, regions: Sequence[str]) -> _Joint | str:
    """Return what the distance of log volumes is made from, or why there is none."""
    volumes, rows = [], []
    for side, frame in (("real", counts.real), ("synthetic", counts.synthetic)):
        ml = frame[list(regions)].to_numpy(dtype=float) * frame[["voxel_ml"]].to_numpy(dtype=float)
        whole = (ml > 0).all(axis=1)
        if whole.sum() < 2:
            return f"frechet_log_volume is absent: {whole.sum()} {side} volumes have all regions, it needs 2"
        volumes.append(ml[whole])
        rows.append(whole)
    if np.any(np.ptp(volumes[0], axis=0) == 0):
        return "frechet_log_volume is absent: a region does not vary among the real volumes that have all regions"
    return _Joint(volumes[0], volumes[1], (rows[0], rows[1]))


def _add_joint_interval(
    overall: dict[str, float], joint: _Joint, subjects: tuple[Sequence[str], Sequence[str]]
) -> list[str]:
    """Add the interval of the distance of log volumes; return a note where it is absent."""
    whole = tuple([one for one, has in zip(side, rows) if has] for side, rows in zip(subjects, joint.rows))
    interval = _interval(
        log_volume_distance, real=joint.real, synthetic=joint.synthetic, subjects=(whole[0], whole[1])
    )  # fmt: skip
    if interval.ends is None:
        return [f"interval of frechet_log_volume {interval.method}"]
    overall["frechet_log_volume_ci_low"], overall["frechet_log_volume_ci_high"] = interval.ends
    return []


def _add_tests(
    parts: dict[str, dict[str, float]],
    regions: Sequence[str],
    *,
    real: np.ndarray,
    synthetic: np.ndarray,
    subjects: tuple[Sequence[str], Sequence[str]],
) -> list[str]:
    """Add the p-values of the Kolmogorov-Smirnov statistics; return a note where they would be wrong."""
    if any(len(set(side)) < len(side) for side in subjects):
        return ["ks_p is absent: the test takes volumes for independent, and some subjects have several"]
    found = ks_p_values(real=real, synthetic=synthetic)
    for region, plain, adjusted in zip(regions, found, holm(found)):
        assert adjusted is not None  # every region was tested
        parts[region] |= {"ks_p": plain, "ks_p_holm": adjusted}
    return []


def _interval(
    distance: Callable[..., float],
    *,
    real: np.ndarray,
    synthetic: np.ndarray,
    subjects: tuple[Sequence[str], Sequence[str]],
) -> Interval:
    return jackknifed(
        distance(real=real, synthetic=synthetic),
        lambda r, s: distance(real=real[r], synthetic=synthetic[s]),
        real=subjects[0],
        synthetic=subjects[1],
        non_negative=True,
        undefined="a region varies only by one group of real subjects",
    )


def _ml(frame: pd.DataFrame, region: str) -> pd.Series[float]:
    return frame[region] * frame["voxel_ml"]


def _table(counts: _Counts) -> pd.DataFrame:
    import pandas as pd

    sides = []
    for side, frame in (("real", counts.real), ("synthetic", counts.synthetic)):
        long = frame.rename_axis("id").reset_index().melt(["id", *_NOT_REGIONS], var_name="region", value_name="count")
        ratio, ml = long["count"] / long["voxels"], long["count"] * long["voxel_ml"]
        sides.append(
            pd.DataFrame(
                {
                    "side": side,
                    "id": long["id"],
                    "region": long["region"],
                    "voxels": long["count"],
                    "ratio": ratio,
                    "ml": ml,
                }
            )
        )
    return pd.concat(sides, ignore_index=True)
