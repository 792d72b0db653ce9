"""Hounsfield units inside each region, noise texture and adjacent slices, against the real volumes.

``wasserstein_hu`` is the Wasserstein-1 distance between the HU of a region in all synthetic and in all real volumes;
each subject has equal weight, however many voxels or volumes it has. The value is its mean over the regions. Regions
are eroded by one voxel; those that are thinner have no HU here. HU are clipped to the protocol's window.

Source: quality check of NV-Generate (bounds of the median HU by organ); texture: see ``texture``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import Unavailable
from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Derivation, Evidence, volume_table
from medbench.metrics.hu.parts import PARTS
from medbench.metrics.hu.regions import mean_distance, published_bounds, region_figures
from medbench.metrics.hu.volume import FEWEST_VOXELS, NOISE, SLICES, Figures, collected, volume_figures
from medbench.statistics.resampling import subject_means

if TYPE_CHECKING:
    import pandas as pd

    from medbench.spec import Protocol

_VERSION = "1"
_FEWEST = 2


def _figures(protocol: Protocol) -> Derivation:
    window = protocol.window
    settings = {"version": _VERSION, "window": window.model_dump(mode="json")}
    return Derivation("hu", partial(volume_figures, window=window), ("volume", "segmentation"), settings)


def _derives(protocol: Protocol) -> Sequence[Derivation]:
    return (_figures(protocol),)


class Hu:
    """Distance of HU distributions by region; noise texture and adjacent slices beside it."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="hu",
        version=_VERSION,
        summary="Wasserstein-1 distance of synthetic from real Hounsfield units, mean over regions; texture beside it",
        better="lower",
        unit="HU",
        min_real=2,
        min_synthetic=2,
        parts=PARTS,
        source="bounds: NV-Generate's quality check; noise power spectrum: ICRU Report 87, Dolly et al. 2016",
        needs=("segmenter", "regions"),
        derives=_derives,
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: no segmenter and no masks, or no region can be compared.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        require_subjects(self.info, real=evidence.real.subjects, synthetic=evidence.synthetic.subjects)
        figures = _figures(evidence.protocol)
        real, synthetic = (
            collected(figures.from_side(side), side.subjects) for side in (evidence.real, evidence.synthetic)
        )
        lacking = {
            region: _lacking(real, region, "real") or _lacking(synthetic, region, "synthetic")
            for region in evidence.protocol.regions or dict.fromkeys([*real.voxels, *synthetic.voxels])
        }
        regions = [region for region, why in lacking.items() if not why]
        skipped = {region: why for region, why in lacking.items() if why}
        if not regions:
            raise Unavailable(f"no region can be compared: {'; '.join(f'{k}: {v}' for k, v in skipped.items())}")
        parts = {region: region_figures(region, real=real, synthetic=synthetic) for region in regions}
        for name, figures_of in (("noise", _noise), ("slices", _slices)):
            try:
                parts[name] = figures_of(real, synthetic)
            except Unavailable as reason:
                skipped[name] = str(reason)
        if "spectrum_distance" not in parts.get("noise", ("spectrum_distance",)):
            skipped["noise.spectrum_distance"] = "squares of several sizes: the volumes' planes differ too much in size"
        unpublished = ", ".join(region for region in regions if published_bounds(region) is None)
        bounds = f"no published HU bounds; bounds made from the real medians by the same rule: {unpublished}"
        return Measurement.between(
            evidence,
            mean_distance(real=real, synthetic=synthetic, regions=regions),
            lambda r, s: mean_distance(real=real, synthetic=synthetic, regions=regions, stay=(r, s)),
            table=lambda: _table(evidence, real, synthetic),
            non_negative=True,
            undefined="a region is there in one group of subjects alone",
            parts=parts,
            notes=(bounds,) if unpublished else (),
            skipped=skipped,
            scope={"compared": regions},
        )


def _lacking(figures: Figures, region: str, side: str) -> str:
    """Return why a side's region cannot be compared, or nothing."""
    if region not in figures.voxels:
        return f"the masks of the {side} volumes do not know it"
    has = np.isfinite(figures.quantiles[region][:, 0])
    count = len(set(np.asarray(figures.subjects)[has]))
    if count >= _FEWEST:
        return ""
    if not figures.voxels[region].any():
        return f"no {side} volume has it"
    return f"{FEWEST_VOXELS} voxels or more are left after erosion in {count} {side} subjects, {_FEWEST} are needed"


def _noise(real: Figures, synthetic: Figures) -> dict[str, float]:
    """Return both sides' noise SD, mean and peak frequency, their ratios, and the spectra's distance in shape."""
    measured = {name: _over_subjects(side, side.noise) for name, side in (("real", real), ("synthetic", synthetic))}
    for name, means in measured.items():
        if len(means) < _FEWEST:
            reason = f"{len(means)} {name} subjects have four or more squares of even tissue, {_FEWEST} are needed"
            raise Unavailable(reason)
    figures: dict[str, float] = {}
    for column, name in enumerate(NOISE):
        ours, theirs = (float(measured[side][:, column].mean()) for side in ("synthetic", "real"))
        figures |= {name: ours, f"{name}_real": theirs, f"{name}_ratio": ours / theirs}
    if real.spectrum.shape[1] == synthetic.spectrum.shape[1] > 0:
        shapes = [
            _over_subjects(side, side.spectrum / side.spectrum.sum(axis=1, keepdims=True)).mean(axis=0)
            for side in (real, synthetic)
        ]
        figures["spectrum_distance"] = float(0.5 * np.abs(shapes[0] - shapes[1]).sum())
    return figures | {"n": float(len(measured["synthetic"])), "n_real": float(len(measured["real"]))}


def _slices(real: Figures, synthetic: Figures) -> dict[str, float]:
    """Return the correlation of adjacent slices, its worst dip, and the share of samples below all real dips."""
    sides = {
        name: side.slices[np.isfinite(side.slices).all(axis=1)]
        for name, side in (("real", real), ("synthetic", synthetic))
    }
    for name, rows in sides.items():
        if len(rows) < _FEWEST:
            reason = f"{len(rows)} {name} volumes have five pairs of adjacent slices that vary, {_FEWEST} are needed"
            raise Unavailable(reason)
    (correlation, dip), (correlation_real, dip_real) = (
        np.median(sides[name][:, :2], axis=0).tolist() for name in ("synthetic", "real")
    )
    return {
        "correlation": correlation,
        "correlation_real": correlation_real,
        "dip": dip,
        "dip_real": dip_real,
        "deeper_than_real": float(np.mean(sides["synthetic"][:, 1] > sides["real"][:, 1].max())),
        "n": float(len(sides["synthetic"])),
        "n_real": float(len(sides["real"])),
    }


def _over_subjects(side: Figures, values: np.ndarray) -> np.ndarray:
    """Return one row of means a subject; volumes without figures are left out."""
    has = np.isfinite(values).all(axis=1)
    subjects = np.asarray(side.subjects)[has]
    if not len(subjects):
        return np.empty((0, values.shape[1]))
    return np.stack([subject_means(column, subjects) for column in values[has].T], axis=1)


def _table(evidence: Evidence, real: Figures, synthetic: Figures) -> pd.DataFrame:
    """Return one row a volume and region, and one a volume (region "volume") for noise and slices."""
    parts = []
    for name, side, figures in (("real", evidence.real, real), ("synthetic", evidence.synthetic, synthetic)):
        rows = [
            {"region": region, "voxels": voxels, "median_hu": figures.medians(region)}
            for region, voxels in figures.voxels.items()
        ]
        texture = {f"noise_{what}": figures.noise[:, column] for column, what in enumerate(NOISE)}
        texture |= {f"slices_{what}": figures.slices[:, column] for column, what in enumerate(SLICES)}
        parts += [(name, side, columns) for columns in (*rows, {"region": "volume", **texture})]
    return volume_table(parts)
