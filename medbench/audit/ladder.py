"""The audit: every metric on the undamaged held-out volumes and on each rung of damage.

A damaged set is a folder of volumes that lives while it is measured; what was measured stays.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from medbench import registry
from medbench.audit import damage
from medbench.audit.damages import KINDS, Bench, Kind
from medbench.audit.detection import Better, Limits, detected_from, rank_correlation
from medbench.audit.measurements import Found, Measurer
from medbench.engines.engine import Engine
from medbench.evaluation.instruments import Instruments
from medbench.pipeline.prepare import RealSplits
from medbench.records.samples import StoredVolume
from medbench.storage.files import sha256_of

_OTHER: Final[Mapping[Better, Better]] = {"lower": "higher", "higher": "lower"}


@dataclass(frozen=True)
class AuditRow:
    """One metric under one kind of damage.

    Args:
        metric: its name.
        damage: the kind.
        strengths: rising, the undamaged set (0) first.
        values: the metric's value at each; None where it could not be computed.
        rank_correlation: Spearman's, positive where the value gets worse; None where it does not change.
        detected_from: lowest strength from which on every value is worse than ``limit``; None if never.
        reversed_from: lowest strength from which on every value is better than undamaged real volumes are; None if
            never.
        unit: of the strengths.
        better: the metric's direction.
        limit: what undamaged real volumes reach.
        limit_how: how the limit was made.
    """

    metric: str
    damage: str
    strengths: tuple[float, ...]
    values: tuple[float | None, ...]
    rank_correlation: float | None
    detected_from: float | None
    reversed_from: float | None
    unit: str
    better: str
    limit: float | None
    limit_how: str


@dataclass(frozen=True)
class AuditReport:
    """What an audit found.

    Args:
        rows: one a metric and kind of damage.
        left_out: what could not be audited, and why.
        about: data set, protocol, counts and structure, in words.
    """

    rows: Sequence[AuditRow]
    left_out: Mapping[str, str]
    about: str


def climb(
    instruments: Instruments,
    real: RealSplits,
    metrics: Sequence[str],
    *,
    engine: Engine,
    region: str | None,
    folder: Path,
    about: str,
    seed: int = 0,
) -> AuditReport:
    """Measure every metric on damaged versions of the held-out volumes, one set a rung.

    Args:
        instruments: what the volumes are seen with.
        real: reference and held-out volumes.
        metrics: registered names.
        engine: where the volumes are looked at.
        region: the structure that goes missing; None where there are no masks.
        folder: what was measured is kept below it, and damaged volumes while they are needed.
        about: data set, protocol and counts in words.
        seed: of the damage.
    """
    bench = Bench(real.held_out, real.reference, instruments, region, seed)
    made_by = {"damage": damage.VERSION, "region": region, "seed": seed}
    measurer = Measurer(instruments, real, folder=folder / "measured", made_by=made_by, engine=engine)
    misleading = {name: reason for name in metrics if (reason := registry.load("metrics", name).info.not_audited)}
    left_out = {_declared(name): reason for name, reason in misleading.items()}
    items = [_undamaged(item) for item in real.held_out]
    base = measurer.measured("undamaged", lambda: items, [name for name in metrics if name not in misleading])
    left_out |= {_declared(name): found.reason for name, found in base.items() if found.value is None}
    known = {name: found.value for name, found in base.items() if found.value is not None}
    limits = measurer.limits(items, known)

    def rung(kind: Kind, strength: float) -> Mapping[str, Found]:
        name = f"{kind.name}-{strength:g}"
        damaged = folder / "damaged" / name
        try:
            return measurer.measured(name, lambda: _damaged(bench, kind, strength, damaged), list(known))
        finally:
            shutil.rmtree(damaged, ignore_errors=True)

    rows: list[AuditRow] = []
    for kind in KINDS:
        if kind.name == "missing_structure" and region is None:
            left_out[kind.name] = "the held-out volumes have no masks that share a structure"
            continue
        rungs = [rung(kind, strength) for strength in kind.strengths]
        rows += [_row(kind, name, limits[name], [base[name], *(found[name] for found in rungs)]) for name in known]
        left_out |= _absent(kind, rungs)
    return AuditReport(rows, left_out, about)


def _damaged(bench: Bench, kind: Kind, strength: float, folder: Path) -> Sequence[StoredVolume]:
    items = [_undamaged(item) for item in bench.held_out]
    task = f"damage: {kind.name} {strength:g} {kind.unit}"
    for place in bench.instruments.progress.track(range(len(items)), task=task, total=len(items)):
        volume = kind.at(bench, place, strength)
        if volume is not None:
            path = folder / f"{place:06d}.nii.gz"
            volume.write(path)
            items[place] = replace(items[place], path=path, sha256=sha256_of(path))
    return items


def shared_region(items: Sequence[StoredVolume], instruments: Instruments) -> str | None:
    """Return the structure of median size among those that every volume's mask holds; None where there is none.

    Args:
        items: volumes, with masks or without.
        instruments: its protocol's regions are the choice; all regions where it names none.
    """
    if not items or any(item.mask is None for item in items):
        return None
    sizes: dict[str, list[int]] = {}
    for item in items:
        label_map = instruments.open(item).mask()
        for value, name in label_map.names.items():
            if name in instruments.protocol.regions or not instruments.protocol.regions:
                sizes.setdefault(name, []).append(int((label_map.voxels == value).sum()))
    ranked = sorted((sum(found), name) for name, found in sizes.items() if len(found) == len(items) and min(found) > 0)
    return ranked[len(ranked) // 2][1] if ranked else None


def _undamaged(item: StoredVolume) -> StoredVolume:
    """Return a held-out volume as if it were a sample that was made from its mask."""
    return replace(item, mask=None, regions=None, condition=item.mask, condition_regions=item.regions)


def _absent(kind: Kind, rungs: Sequence[Mapping[str, Found]]) -> dict[str, str]:
    return {
        f"{_declared(metric)} under {kind.name} {strength:g} {kind.unit}": found.reason
        for strength, rung in zip(kind.strengths, rungs)
        for metric, found in rung.items()
        if found.value is None
    }


def _declared(metric: str) -> str:
    """Return a metric's own name, also where it was asked for as ``path/to/file.py:Class``."""
    name: str = registry.load("metrics", metric).info.name
    return name


def _row(kind: Kind, metric: str, limits: Limits, found: Sequence[Found]) -> AuditRow:
    better: Better = registry.load("metrics", metric).info.better
    strengths = (0.0, *kind.strengths)
    values = tuple(one.value for one in found)
    return AuditRow(
        metric=_declared(metric),
        damage=kind.name,
        strengths=strengths,
        values=values,
        rank_correlation=rank_correlation(strengths, values, better=better),
        detected_from=detected_from(strengths, values, limits.worse, better=better),
        reversed_from=detected_from(strengths, values, limits.better, better=_OTHER[better]),
        unit=kind.unit,
        better=better,
        limit=limits.worse,
        limit_how=limits.how,
    )
