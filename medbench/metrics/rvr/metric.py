"""Regional volume ratio: the voxels of a region over all voxels of its volume, as a distribution against the real one.

The MedLoRD paper draws these distributions and computes no distance; the figures here do. A region that a volume
lacks counts with ratio 0, so that a generator that forgets organs pays for it; how often that happens is reported
apart (missing_rate). The ratio depends on the field of view; volumes in mL and the share of all regions together,
which are parts, do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import Unavailable
from medbench.imaging.volume import UNNAMED
from medbench.metrics.base import Figure, Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Evidence
from medbench.metrics.functional.regions import composition, log_volume_distance, mean_wasserstein, region_figures
from medbench.metrics.rvr.figure import draw
from medbench.metrics.rvr.parts import PARTS
from medbench.statistics.multiple_tests import holm
from medbench.statistics.resampling import NOT_ASKED, Interval, jackknifed

if TYPE_CHECKING:
    import pandas as pd

_NOT_REGIONS = ("voxels", "voxel_ml")


class Rvr:
    """Distance between the distributions of regional volume ratios of real and synthetic volumes."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="rvr",
        version="1",
        summary="how much of the volume each region fills: Wasserstein-1 distance from real volumes, mean over regions",
        better="lower",
        unit="real SD",
        min_real=2,
        min_synthetic=2,
        parts=PARTS,
        source="MedLoRD, arXiv:2503.13211 (the ratio); the distances are medbench's",
        needs=("segmenter", "regions"),
        figures=(
            Figure(
                name="region_ratios",
                caption="How much of its volume each region fills: a dot a volume, a box for the quartiles, the "
                "density above it.",
                alt="Box plots of the share of the volume that each region fills, real against synthetic",
                draw=draw,
            ),
        ),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: no segmenter and no masks, or no region varies among the real volumes.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        sides = evidence.real, evidence.synthetic
        subjects = sides[0].subjects, sides[1].subjects
        require_subjects(self.info, real=subjects[0], synthetic=subjects[1])
        known = [side.region_voxels() for side in sides]
        _require_common(*known)
        counts = _complete(*known)
        regions, notes = _usable(counts, evidence.protocol.regions)
        if not regions:
            raise Unavailable(
                f"no region can be compared: {'; '.join(notes)}: name the masks' values in labels.json beside them, or "
                "take a --protocol that names no regions"
            )
        real, synthetic = (_ratios(frame, regions) for frame in counts.values())
        parts = _parts(counts, regions, real=real, synthetic=synthetic)
        notes += _add_joint(parts["overall"], counts, regions, subjects, interval=evidence.intervals)
        interval = NOT_ASKED
        if evidence.intervals:
            interval = _interval(mean_wasserstein, real=real, synthetic=synthetic, subjects=subjects)
            notes += _add_tests(parts, regions, real=real, synthetic=synthetic, subjects=subjects)
        return Measurement.of(
            parts["overall"]["wasserstein"],
            interval,
            parts=parts,
            table=_table(counts),
            notes=tuple(notes),
            scope={"compared": regions},
        )


def _require_common(real: pd.DataFrame, synthetic: pd.DataFrame) -> None:
    names = [[name for name in frame.columns if name not in _NOT_REGIONS] for frame in (real, synthetic)]
    unnamed = all(name.startswith(UNNAMED) for side in names for name in side)
    if all(names) and unnamed and not set(names[0]) & set(names[1]):
        real_ones, others = (", ".join(one[:4]) + (", ..." if len(one) > 4 else "") for one in names)
        raise Unavailable(
            f"the two sides share no region: the real masks have {real_ones}, the synthetic ones {others}: give both "
            "the same label values"
        )


def _complete(real: pd.DataFrame, synthetic: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return both sides' counts, 0 for an unnamed label value that only the other side's masks hold.

    Named regions must be known. A side whose masks have names does not know the other side's unnamed values: what
    they stand for is not said.
    """

    def with_values_of(frame: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
        if not all(name.startswith(UNNAMED) for name in frame.columns if name not in _NOT_REGIONS):
            return frame
        absent = [name for name in other.columns if name.startswith(UNNAMED) and name not in frame]
        return frame.assign(**dict.fromkeys(absent, 0))

    return {"real": with_values_of(real, synthetic), "synthetic": with_values_of(synthetic, real)}


def _usable(counts: Mapping[str, pd.DataFrame], wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the regions that can be compared, and a note on each that cannot."""
    regions, notes = [], []
    real = counts["real"]
    for region in wanted or [name for name in real.columns if name not in _NOT_REGIONS]:
        unknown = next((side for side, frame in counts.items() if region not in frame), None)
        if unknown:
            notes.append(f"{region} left out: the masks of the {unknown} volumes do not know it")
        elif not real[region].any():
            notes.append(f"{region} left out: no real volume has it")
        elif np.ptp(_ratios(real, [region])) == 0:
            notes.append(f"{region} left out: it does not vary among the real volumes")
        else:
            regions.append(region)
    return regions, notes


def _ratios(counts: pd.DataFrame, regions: Sequence[str]) -> np.ndarray:
    ratios: np.ndarray = counts[list(regions)].to_numpy(dtype=float) / counts[["voxels"]].to_numpy(dtype=float)
    return ratios


def _parts(
    counts: Mapping[str, pd.DataFrame], regions: Sequence[str], *, real: np.ndarray, synthetic: np.ndarray
) -> dict[str, dict[str, float]]:
    parts = {
        region: region_figures(real=real[:, column], synthetic=synthetic[:, column])
        | {
            "volume_ml": float(_ml(counts["synthetic"], region).median()),
            "volume_ml_real": float(_ml(counts["real"], region).median()),
        }
        for column, region in enumerate(regions)
    }
    parts["overall"] = {"wasserstein": mean_wasserstein(real=real, synthetic=synthetic)}
    shares = [composition(frame[list(regions)].to_numpy(dtype=float)) for frame in counts.values()]
    if len(regions) > 1 and min(len(one) for one in shares) > 0:
        for column, region in enumerate(regions):
            of_region = [one[:, [column]] for one in shares]
            if np.ptp(of_region[0]) > 0:
                distance = mean_wasserstein(real=of_region[0], synthetic=of_region[1])
                parts[region]["composition_wasserstein"] = distance
    return parts


def _add_joint(
    overall: dict[str, float],
    counts: Mapping[str, pd.DataFrame],
    regions: Sequence[str],
    subjects: tuple[Sequence[str], Sequence[str]],
    *,
    interval: bool,
) -> list[str]:
    """Add the distance of log volumes, over the volumes that have all regions; return a note where it is absent."""
    volumes, owners = [], []
    for (side, frame), names in zip(counts.items(), subjects):
        ml = frame[list(regions)].to_numpy(dtype=float) * frame[["voxel_ml"]].to_numpy(dtype=float)
        whole = (ml > 0).all(axis=1)
        if whole.sum() < 2:
            return [f"frechet_log_volume is absent: {whole.sum()} {side} volumes have all regions, it needs 2"]
        volumes.append(ml[whole])
        owners.append([subject for subject, has in zip(names, whole) if has])
    real, synthetic = volumes
    if np.any(np.ptp(real, axis=0) == 0):
        return ["frechet_log_volume is absent: a region does not vary among the real volumes that have all regions"]
    overall["frechet_log_volume"] = log_volume_distance(real=real, synthetic=synthetic)
    if not interval:
        return []
    found = _interval(log_volume_distance, real=real, synthetic=synthetic, subjects=(owners[0], owners[1]))
    if found.ends is None:
        return [f"interval of frechet_log_volume {found.method}"]
    overall["frechet_log_volume_ci_low"], overall["frechet_log_volume_ci_high"] = found.ends
    return []


def _add_tests(
    parts: dict[str, dict[str, float]],
    regions: Sequence[str],
    *,
    real: np.ndarray,
    synthetic: np.ndarray,
    subjects: tuple[Sequence[str], Sequence[str]],
) -> list[str]:
    """Add the p-values of the Kolmogorov-Smirnov statistics; return a note where they would be wrong.

    Source: Hodges 1958, Arkiv för Matematik 3:469 (as in scipy.stats.ks_2samp).
    """
    if any(len(set(side)) < len(side) for side in subjects):
        return ["ks_p is absent: the test takes volumes for independent, and some subjects have several"]
    from scipy.stats import ks_2samp

    found = ks_2samp(real, synthetic).pvalue.tolist()  # exact up to 10000 volumes a side; ties only raise them
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


def _table(counts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    sides = []
    for side, frame in counts.items():
        long = frame.rename_axis("id").reset_index().melt(["id", *_NOT_REGIONS], var_name="region", value_name="count")
        ratio, ml = long["count"] / long["voxels"], long["count"] * long["voxel_ml"]
        columns = {"side": side, "id": long["id"], "region": long["region"], "voxels": long["count"]}
        sides.append(pd.DataFrame(columns | {"ratio": ratio, "ml": ml}))
    return pd.concat(sides, ignore_index=True)
