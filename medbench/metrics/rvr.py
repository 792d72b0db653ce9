"""Regional volume ratio: the voxels of a region over all voxels of its volume, as a distribution against the real one.

The MedLoRD paper draws these distributions and computes no distance; the figures here do. A region that a volume
lacks counts with ratio 0, so that a generator that forgets organs pays for it; how often that happens is reported
apart (missing_rate).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import Unavailable
from medbench.metrics.base import Evidence, Measurement, MetricInfo
from medbench.metrics.frechet import FeatureStatistics, frechet_distance
from medbench.metrics.resampling import (
    NOT_ASKED,
    Interval,
    Replicates,
    delete_each_group,
    jackknife_interval,
    require_subjects,
    too_few,
)
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
            raise Unavailable(f"no region can be compared: {'; '.join(notes)}")
        real, synthetic = _ratios(counts.real, regions), _ratios(counts.synthetic, regions)
        parts: dict[str, dict[str, float]] = {
            region: region_figures(real=real[:, column], synthetic=synthetic[:, column])
            | {"volume_ml": float((counts.synthetic[region] * counts.synthetic["voxel_ml"]).median())}
            for column, region in enumerate(regions)
        }
        value = mean_wasserstein(real=real, synthetic=synthetic)
        parts["overall"] = {"wasserstein": value}
        joint = _joint_distance(counts, regions)
        if isinstance(joint, str):
            notes.append(joint)
        else:
            parts["overall"]["frechet_log_volume"] = joint
        interval: Interval = NOT_ASKED
        replicates: dict[str, Replicates] = {}
        if evidence.intervals:
            subjects = real_side.subjects, synthetic_side.subjects
            interval, replicates = _interval(real=real, synthetic=synthetic, subjects=subjects)
        return Measurement(
            value,
            interval.ends,
            interval.method,
            parts,
            _table(counts),
            tuple(notes),
            scope={"compared": regions},
            replicates=replicates,
        )


@dataclass(frozen=True, eq=False)
class _Counts:
    real: pd.DataFrame
    synthetic: pd.DataFrame


def _complete(real: pd.DataFrame, synthetic: pd.DataFrame) -> _Counts:
    """Count 0 voxels of an unnamed label value that only the other side's masks hold; named regions must be known."""

    def with_values_of(frame: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
        absent = [name for name in other.columns if name.startswith(UNNAMED) and name not in frame]
        return frame.assign(**dict.fromkeys(absent, 0))

    return _Counts(with_values_of(real, synthetic), with_values_of(synthetic, real))


def region_figures(*, real: np.ndarray, synthetic: np.ndarray) -> dict[str, float]:
    """Return how a region's synthetic ratios differ from the real ones.

    Args:
        real: (n,) ratios that are not all equal.
        synthetic: (m,) ratios, two or more.

    Returns:
        wasserstein: Wasserstein-1 distance over the real standard deviation;
        spread_ratio: synthetic over real standard deviation (below 1 the synthetic vary too little);
        ks: Kolmogorov-Smirnov statistic, the largest gap between the two cumulative distributions;
        overlap: 1 - Kuiper's statistic (largest gap upwards plus largest gap downwards), which is the overlapping
        area of the densities wherever these cross at most twice, and needs neither bins nor bandwidth;
        missing_rate: share of synthetic ratios that are 0.

    Source: Schmid, Schmidt 2006, Nonparametric estimation of the coefficient of overlapping, CSDA 50:1583 (overlap).
    """
    up, down = _largest_gaps(real, synthetic)
    return {
        "wasserstein": mean_wasserstein(real=real[:, None], synthetic=synthetic[:, None]),
        "spread_ratio": float(synthetic.std(ddof=1) / real.std(ddof=1)),
        "ks": max(up, down),
        "overlap": 1.0 - (up + down),
        "missing_rate": float((synthetic == 0).mean()),
    }


def mean_wasserstein(*, real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the mean over regions of the Wasserstein-1 distance in real standard deviations.

    Args:
        real: (n, regions) ratios.
        synthetic: (m, regions) ratios.

    Returns:
        the mean; NaN if a region does not vary among the real ratios.
    """
    from scipy.stats import wasserstein_distance

    if np.any(np.ptp(real, axis=0) == 0):
        return float("nan")
    distances = [wasserstein_distance(real[:, column], synthetic[:, column]) for column in range(real.shape[1])]
    return float(np.mean(distances / real.std(axis=0, ddof=1)))


def log_volume_distance(*, real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the Fréchet distance of log volumes, each region scaled by the real standard deviation.

    It sees what regions one by one do not: organs that no longer grow together.

    Args:
        real: (n, regions) volumes above 0, each region varying; n of at least 2.
        synthetic: (m, regions) volumes above 0, m of at least 2.
    """
    log_real, log_synthetic = np.log(real), np.log(synthetic)
    scale = log_real.std(axis=0, ddof=1)
    return frechet_distance(FeatureStatistics.of(log_real / scale), FeatureStatistics.of(log_synthetic / scale))


def _largest_gaps(real: np.ndarray, synthetic: np.ndarray) -> tuple[float, float]:
    at = np.union1d(real, synthetic)
    gap = np.searchsorted(np.sort(real), at, side="right") / len(real)
    gap -= np.searchsorted(np.sort(synthetic), at, side="right") / len(synthetic)
    return float(max(gap.max(), 0.0)), float(max(-gap.min(), 0.0))


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


def _joint_distance(counts: _Counts, regions: Sequence[str]) -> float | str:
    """Return the distance of log volumes over the volumes that have all regions, or why there is none."""
    volumes = []
    for side, frame in (("real", counts.real), ("synthetic", counts.synthetic)):
        ml = frame[list(regions)].to_numpy(dtype=float) * frame[["voxel_ml"]].to_numpy(dtype=float)
        whole = ml[(ml > 0).all(axis=1)]
        if len(whole) < 2:
            return f"frechet_log_volume is absent: {len(whole)} {side} volumes have all regions, it needs 2"
        volumes.append(whole)
    real, synthetic = volumes
    if np.any(np.ptp(real, axis=0) == 0):
        return "frechet_log_volume is absent: a region does not vary among the real volumes that have all regions"
    return log_volume_distance(real=real, synthetic=synthetic)


def _interval(
    *, real: np.ndarray, synthetic: np.ndarray, subjects: tuple[Sequence[str], Sequence[str]]
) -> tuple[Interval, dict[str, Replicates]]:
    absent = too_few(*subjects)
    if absent is not None:
        return absent, {}
    without_real = delete_each_group(lambda stay: mean_wasserstein(real=real[stay], synthetic=synthetic), subjects[0])
    if np.any(np.isnan(without_real.values)):
        return Interval(None, "absent: a region varies only by one group of real subjects"), {}
    without_synthetic = delete_each_group(
        lambda stay: mean_wasserstein(real=real, synthetic=synthetic[stay]), subjects[1]
    )
    value = mean_wasserstein(real=real, synthetic=synthetic)
    interval = jackknife_interval(value, real=without_real, synthetic=without_synthetic, non_negative=True)
    return interval, {"real": without_real, "synthetic": without_synthetic}


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
