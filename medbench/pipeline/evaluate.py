"""Stage evaluate: the gate, then every metric with its floor, each number with its fingerprint."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench import gate, registry
from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.files import atomic_path
from medbench.metrics.base import Evidence, Metric, MetricInfo
from medbench.pipeline.evidence import Laboratory
from medbench.pipeline.finite import finite_only
from medbench.pipeline.floor import Sides, against, floor_of, plain_parts
from medbench.pipeline.side import StoredSide
from medbench.results import Resampled, Result, Skipped
from medbench.samples import Item
from medbench.spec import fingerprint

if TYPE_CHECKING:
    import pandas as pd

FEWEST_VOLUMES = 2


@dataclass(frozen=True)
class Comparison:
    """What is compared with what.

    Args:
        synthetic: the volumes that are judged.
        reference: real volumes they are compared with.
        held_out: real volumes outside the reference, for the floor; empty where there are none.
        identity: what makes the reference this one; enters every fingerprint.
        reference_masks: fingerprint of masks that were given for the reference; enters what rests on them.
    """

    synthetic: Sequence[Item]
    reference: Sequence[Item]
    held_out: Sequence[Item]
    identity: dict[str, Any]
    reference_masks: str | None = None

    def require(self, fewest: int = FEWEST_VOLUMES) -> None:
        """Check that both sides have enough volumes for any number.

        Raises:
            NotEnoughCasesError: a side has fewer than ``fewest``.
        """
        for side, items in (("sample folder", self.synthetic), ("real set", self.reference)):
            if len(items) < fewest:
                came = f"only {items[0].path}" if items else "no volume"
                raise NotEnoughCasesError(f"the {side} has {came}: a distribution needs at least {fewest} volumes")


def inspect(comparison: Comparison, laboratory: Laboratory) -> list[gate.Finding]:
    """Pass all volumes through the gate; return what it found.

    Raises:
        NotEnoughCasesError: a side has too few volumes for any number.
        DataError: a volume cannot be read.
    """
    comparison.require()
    real, synthetic, held_out = (
        gate.SideReport(
            side,
            tuple(
                (str(item.path), _facts(item, laboratory))
                for item in (
                    laboratory.progress.track(items, task=f"gate of {side}", total=len(items)) if items else ()
                )
            ),
        )
        for side, items in (
            ("real", comparison.reference),
            ("synthetic", comparison.synthetic),
            ("held-out", comparison.held_out),
        )
    )
    protocol = laboratory.protocol
    return gate.check(real=real, synthetic=synthetic, grid=protocol.grid, window=protocol.window, held_out=held_out)


def _facts(item: Item, laboratory: Laboratory) -> gate.Facts:
    settings = {"version": gate.FACTS_VERSION}
    facts: gate.Facts = laboratory.cache.document("facts", item.sha256, settings, lambda: gate.file_facts(item.path))
    return facts


def measure_all(
    comparison: Comparison, laboratory: Laboratory, metrics: Sequence[str], *, tables: Path
) -> tuple[list[Result], list[Skipped]]:
    """Compute metrics with their floors.

    Args:
        comparison: the volumes.
        laboratory: the instruments.
        metrics: registered names.
        tables: folder for the values behind every number.

    Returns:
        The results in the order of ``metrics``, and what could not be computed, with its reason.
    """
    results: list[Result] = []
    skipped: list[Skipped] = []
    for name in metrics:
        metric: Metric = registry.load("metrics", name)()
        source = registry.source_sha256(name)
        try:
            result, absent = _result(metric, comparison, laboratory, tables, source)
            results.append(result)
            skipped += [Skipped(metric=f"{result.metric}.{part}", reason=reason) for part, reason in absent.items()]
        except (Unavailable, NotEnoughCasesError) as reason:
            skipped.append(Skipped(metric=metric.info.name, reason=str(reason)))
    return results, skipped


def _result(
    metric: Metric, comparison: Comparison, laboratory: Laboratory, tables: Path, source: str | None
) -> tuple[Result, Mapping[str, str]]:
    info = metric.info
    clock = time.monotonic()
    _require_counts(info, comparison)
    protocol = _protocol(info, comparison, laboratory) | ({"source_sha256": source} if source else {})
    sides = Sides(comparison.reference, comparison.synthetic, comparison.held_out)
    evidence = Evidence(
        protocol=laboratory.protocol,
        real=StoredSide(sides.reference, laboratory, name="real"),
        synthetic=StoredSide(sides.synthetic, laboratory, name="synthetic"),
        held_out=StoredSide(sides.held_out, laboratory, name="held-out") if sides.held_out else None,
        workshop=laboratory,
    )
    measurement = finite_only(metric.measure(evidence))
    protocol |= measurement.scope
    floor = floor_of(metric, measurement, evidence, sides, laboratory)
    table = _joined(measurement.table, floor.table)
    if table is not None:
        write_table(tables / f"{info.name}.csv", table)
    result = Result(
        metric=info.name,
        value=measurement.value,
        ci95=measurement.ci95,
        ci_method=measurement.ci_method,
        floor=floor.value,
        floor_note=floor.note,
        floor_values=floor.values,
        ceiling=measurement.ceiling,
        ceiling_note=measurement.ceiling_note,
        against=against(metric, measurement, evidence, sides, laboratory),
        better=info.better,
        unit=info.unit,
        n_real=protocol["n_real"],
        n_synthetic=protocol["n_synthetic"],
        parts=plain_parts(measurement.parts),
        floor_parts=floor.parts or {},
        notes=measurement.notes,
        fingerprint=fingerprint(protocol),
        protocol=protocol,
        stand_ins=_stand_ins(info, laboratory),
        replicates={
            side: Resampled(values=tuple(found.values.tolist()), sizes=tuple(found.sizes.tolist()))
            for side, found in measurement.replicates.items()
        },
        seconds=round(time.monotonic() - clock, 3),
        table=f"tables/{info.name}.csv" if table is not None else None,
    )
    return result, measurement.skipped


def _require_counts(info: MetricInfo, comparison: Comparison) -> None:
    came = {"real": len(comparison.reference), "synthetic": len(comparison.synthetic)}
    needed = {"real": info.min_real, "synthetic": info.min_synthetic}
    for side, fewest in needed.items():
        if came[side] < fewest:
            raise NotEnoughCasesError(f"{info.name} needs {fewest} {side} volumes, and {came[side]} came")


def _protocol(info: MetricInfo, comparison: Comparison, laboratory: Laboratory) -> dict[str, Any]:
    """Return everything that decides the metric's value besides the voxels of the samples."""
    sides = (comparison.reference, comparison.synthetic)
    if info.judges == "autoencoder":
        sides = (comparison.held_out, comparison.held_out)
    masks = {"reference_masks": comparison.reference_masks} if "segmenter" in info.needs else {}
    # The first volumes by name are others than the first of a split, though they be equally many.
    first = laboratory.protocol.volumes_per_side
    return {
        "metric": info.name,
        "version": info.version,
        "reference": comparison.identity,
        **masks,
        **({"volumes_per_side": first} if first is not None else {}),
        "n_real": len(sides[0]),
        "n_synthetic": len(sides[1]),
        **{field: laboratory.describe(field) for field in ("grid", "window", *info.needs)},
    }


def _stand_ins(info: MetricInfo, laboratory: Laboratory) -> tuple[str, ...]:
    used = (
        getattr(laboratory, field) for field in info.needs if field in {"extractor", "volume_extractor", "segmenter"}
    )
    return tuple(instrument.info.name for instrument in used if instrument.info.stand_in)


def _joined(table: pd.DataFrame | None, floor: pd.DataFrame | None) -> pd.DataFrame | None:
    """Put the held-out volumes' rows of the floor below the table, where its rows name a side."""
    if table is None or floor is None or "side" not in table.columns:
        return table
    import pandas as pd

    held_out = floor[floor["side"] == "synthetic"].assign(side="held_out")
    return pd.concat([table, held_out], ignore_index=True)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all."""
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
