"""Fréchet radiomics distance: the Fréchet distance of radiomics features, without network and weights.

Every feature is scaled by mean and standard deviation of the real volumes; the distance is that of two Gaussians over
all features. The paper reports its logarithm; here the squared distance itself is the value, since a set against
itself must score 0, and the logarithm is a part. Beyond that: features of the unfiltered volume only (the paper adds
Laplacian-of-Gaussian and wavelet bands), by MIRP instead of PyRadiomics, in the body instead of the whole image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import Unavailable
from medbench.extras import missing
from medbench.metrics.base import Measurement, MetricInfo, require_subjects
from medbench.metrics.evidence import Derivation, Evidence, Side, volume_table
from medbench.metrics.features import notes_on_bias
from medbench.metrics.functional.frechet import frechet_between
from medbench.metrics.functional.radiomics import FAMILIES, radiomics, settings
from medbench.records.results import Definition
from medbench.spec import Protocol

if TYPE_CHECKING:
    import pandas as pd

_CONSTANT = 1e-6  # share of the mean: single precision in the features
_ROUNDING = 1e-9  # distances below are rounding, and have no logarithm
_SAME_SPACING = 0.01  # share of the spacing
_DEFINITIONS = {
    "log": Definition("natural logarithm of the value, as the paper reports it"),
    "statistics": Definition("the same distance, of the grey values' statistics alone"),
    "glcm": Definition("the same distance, of co-occurring grey values alone: texture between neighbours"),
    "glrlm": Definition("the same distance, of runs of equal grey alone: streaks"),
    "glszm": Definition("the same distance, of zones of equal grey alone: blotches"),
    "ngtdm": Definition("the same distance, of differences from the neighbourhood alone: coarseness"),
}


def _radiomics(protocol: Protocol) -> Derivation:
    window = protocol.window
    return Derivation("radiomics", partial(radiomics, window=window), ("volume",), settings(window))


def _derives(protocol: Protocol) -> Sequence[Derivation]:
    return (_radiomics(protocol),)


class Frd:
    """Fréchet distance between the radiomics features of real and synthetic volumes."""

    info: ClassVar[MetricInfo] = MetricInfo(
        name="frd",
        version="1",
        summary="squared Fréchet distance between standardised radiomics features of real and synthetic volumes",
        better="lower",
        unit=None,
        min_real=2,
        min_synthetic=2,
        parts=_DEFINITIONS,
        source="Konz, Osuala et al., arXiv:2412.01496, eq. 3; features: IBSI, arXiv:1612.07003",
        by_default=False,
        derives=_derives,
    )

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: MIRP is not installed, or no feature is defined for all volumes and varies among the real ones.
            NotEnoughCasesError: fewer than two subjects on a side.
        """
        if lack := missing("radiomics", "it"):
            raise Unavailable(lack)
        sides = evidence.real, evidence.synthetic
        require_subjects(self.info, real=sides[0].subjects, synthetic=sides[1].subjects)
        real, synthetic = (_features(side, evidence.protocol) for side in sides)
        kept, dropped = _usable(real, synthetic)
        if not kept:
            raise Unavailable("no radiomics feature is defined for all volumes and varies among the real ones")
        matrices = real.frame[kept].to_numpy(float), synthetic.frame[kept].to_numpy(float)
        value = radiomics_distance(real=matrices[0], synthetic=matrices[1])
        parts, skipped = _parts(value, real, synthetic, kept)
        return Measurement.between(
            evidence,
            value,
            lambda r, s: radiomics_distance(real=matrices[0][r], synthetic=matrices[1][s]),
            table=lambda: _table(sides, (real, synthetic), kept),
            non_negative=True,
            undefined="a feature varies only by one group of real subjects",
            parts=parts,
            notes=_notes(real, synthetic, kept, dropped),
            skipped=skipped,
            scope={"mirp": version("mirp"), "features": len(kept), "dropped": sorted(dropped)},
        )


@dataclass(frozen=True, eq=False)
class _Features:
    """One side: a row of features a volume, the voxels of its body (0: none found) and its working spacing."""

    frame: pd.DataFrame
    body_voxels: np.ndarray
    spacing_mm: np.ndarray


def radiomics_distance(*, real: np.ndarray, synthetic: np.ndarray) -> float:
    """Return the squared Fréchet distance of features scaled by the real mean and standard deviation.

    Args:
        real: (n, features), n of at least 2.
        synthetic: (m, features), m of at least 2.

    Returns:
        the distance; NaN if a feature does not vary among the real volumes. It is not symmetric: swapping the sides
        changes the scale.
    """
    if np.any(_constant(real)):
        return float("nan")
    centre, scale = real.mean(axis=0), real.std(axis=0, ddof=1)
    return frechet_between(real=(real - centre) / scale, synthetic=(synthetic - centre) / scale)


def _constant(values: np.ndarray) -> np.ndarray:
    constant: np.ndarray = values.std(axis=0, ddof=1) <= _CONSTANT * np.abs(values.mean(axis=0))
    return constant


def _features(side: Side, protocol: Protocol) -> _Features:
    import pandas as pd

    found = list(_radiomics(protocol).from_side(side))
    rows = [dict(zip(arrays["names"].tolist(), arrays["values"].tolist())) for arrays in found]
    return _Features(
        pd.DataFrame(rows),
        np.array([arrays["body_voxels"].item() for arrays in found]),
        np.stack([arrays["spacing_mm"] for arrays in found]),
    )


def _usable(real: _Features, synthetic: _Features) -> tuple[list[str], dict[str, str]]:
    """Return the features that can be compared, and why others cannot."""
    kept, dropped = [], {}
    for name in real.frame.columns:
        values = real.frame[name].to_numpy(float)
        judged = synthetic.frame[name].to_numpy(float) if name in synthetic.frame else np.array([np.nan])
        if not (np.all(np.isfinite(values)) and np.all(np.isfinite(judged))):
            dropped[name] = "not defined for every volume"
        elif _constant(values[:, None])[0]:
            dropped[name] = "constant among the real volumes"
        else:
            kept.append(name)
    return kept, dropped


def _parts(
    value: float, real: _Features, synthetic: _Features, kept: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Return the logarithm and the distance of each family by itself, and why one is absent."""
    parts, skipped = dict[str, float](), dict[str, str]()
    if value > _ROUNDING:
        parts["log"] = float(np.log(value))
    else:
        skipped["log"] = "the two sets have the same features: a distance of 0 has no logarithm"
    for family in dict.fromkeys(FAMILIES.values()):
        names = [name for name in kept if FAMILIES[name.partition("_")[0]] == family]
        if names:
            parts[family] = radiomics_distance(
                real=real.frame[names].to_numpy(float), synthetic=synthetic.frame[names].to_numpy(float)
            )
        else:
            skipped[family] = "no feature of it is defined for all volumes and varies among the real ones"
    return parts, skipped


def _notes(real: _Features, synthetic: _Features, kept: Sequence[str], dropped: Mapping[str, str]) -> tuple[str, ...]:
    notes = []
    for reason in dict.fromkeys(dropped.values()):
        names = [name for name, why in dropped.items() if why == reason]
        notes.append(f"{len(names)} features left out, {reason}: {', '.join(names)}")
    notes += notes_on_bias(min(len(real.frame), len(synthetic.frame)), "volumes", len(kept))
    for name, side in (("real", real), ("synthetic", synthetic)):
        absent = int((side.body_voxels == 0).sum())
        if absent:
            notes.append(f"{absent} {name} volumes show no body: their features are those of the whole volume")
    spacings = np.concatenate([real.spacing_mm, synthetic.spacing_mm])
    if np.any(np.ptp(spacings, axis=0) > _SAME_SPACING * spacings.min(axis=0)):
        notes.append("the volumes differ in spacing: their textures differ by that alone")
    return tuple(notes)


def _table(sides: tuple[Side, Side], features: tuple[_Features, _Features], kept: Sequence[str]) -> pd.DataFrame:
    reference = features[0].frame[list(kept)]
    centre, scale = reference.mean(), reference.std()
    parts = []
    for name, side, found in zip(("real", "synthetic"), sides, features):
        away = np.linalg.norm(((found.frame[list(kept)] - centre) / scale).to_numpy(float), axis=1)
        about = {"body_voxels": found.body_voxels, "distance_to_real_mean": away}
        parts.append((name, side, {**about, **found.frame}))
    return volume_table(parts)
