"""Stage evaluate: the gate, then every metric with its floor, each number with its fingerprint."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medbench import registry
from medbench.errors import MedbenchError, NotEnoughCasesError, StorageError, Unavailable
from medbench.evaluation.comparison import Comparison
from medbench.evaluation.finite import finite_only
from medbench.evaluation.floors import against, floor_of
from medbench.evaluation.gate.checks import check
from medbench.evaluation.gate.facts import known_facts
from medbench.evaluation.gate.findings import SideReport
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.pairing import resampled
from medbench.evaluation.prospects import require_counts
from medbench.evaluation.splits import with_all_comparisons
from medbench.imaging.findings import Finding
from medbench.imaging.formats import read_header
from medbench.imaging.masks import mask_findings
from medbench.metrics.base import Measured, Measurement, Metric, MetricInfo
from medbench.metrics.evidence import Evidence
from medbench.plugin_faults import fault_of
from medbench.records.results import Result, Skipped
from medbench.records.samples import StoredVolume
from medbench.spec import fingerprint
from medbench.statistics.dominance import dominance_notes
from medbench.statistics.resampling import groups_of
from medbench.storage.cells import neutral_table
from medbench.storage.files import atomic_path, write_text

if TYPE_CHECKING:
    import pandas as pd


def inspect(comparison: Comparison, instruments: Instruments) -> list[Finding]:
    """Pass all volumes through the gate; return what it found.

    Raises:
        NotEnoughCasesError: a side has too few volumes for any number.
        DataError: a volume cannot be read.
    """
    comparison.require()

    def report(side: str, items: Sequence[StoredVolume]) -> SideReport:
        known = ((str(item.path), known_facts(instruments.open(item), instruments.cache)) for item in items)
        return SideReport(side, tuple(known))

    noticed = list(comparison.noticed)
    for item in comparison.items:
        noticed += read_header(item.path).findings
        noticed += mask_findings(item.mask, item.path) if item.mask else ()
    return check(
        noticed=noticed,
        real=report("real", comparison.reference),
        synthetic=report("synthetic", comparison.synthetic),
        held_out=report("held-out", comparison.held_out),
        grid=instruments.protocol.grid,
        window=instruments.protocol.window,
    )


def measure_all(
    comparison: Comparison, instruments: Instruments, metrics: Iterable[str], *, tables: Path
) -> tuple[list[tuple[MetricInfo, Measured]], list[Skipped]]:
    """Compute metrics with their floors.

    Args:
        comparison: the volumes.
        instruments: what the volumes are seen with.
        metrics: registered names; the next one is asked for once the one before it has ended.
        tables: folder for the values behind every number.

    Returns:
        Every metric with its number, in the order of ``metrics``, and what could not be computed, with its reason: what
        is not to be had here, bad input, or a crash.

    Raises:
        StorageError: the disk is full or cannot be written.
        MedbenchError: bad input, where no metric has a number that would be lost.
    """
    measured: list[tuple[MetricInfo, Measured]] = []
    skipped: list[Skipped] = []
    refused: list[MedbenchError] = []
    for name in metrics:
        plugin = registry.load("metrics", name)
        metric = plugin.info.name
        try:
            found, absent = _measured(plugin(), comparison, instruments, tables, registry.source_sha256(name))
            measured.append((plugin.info, found))
            skipped += [Skipped(metric=f"{metric}.{part}", reason=reason) for part, reason in absent.items()]
        except (Unavailable, NotEnoughCasesError) as reason:
            skipped.append(Skipped(metric=metric, reason=str(reason)))
        except StorageError:
            raise  # nothing more can be written
        except MedbenchError as error:
            refused.append(error)
            skipped.append(Skipped(metric=metric, reason=str(error), exit_code=2))
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plug-in may raise anything: only its number is lost
            skipped.append(crash(metric, error, plugin, instruments))
    if refused and not measured:
        raise refused[0]
    return measured, skipped


def crash(what: str, error: BaseException, plugin: Any, instruments: Instruments) -> Skipped:
    """Return why a number or figure is absent whose code crashed; the traceback goes to the folder for logs."""
    log = instruments.logs / f"{what}.txt"
    write_text(log, "".join(traceback.format_exception(error)))
    return Skipped(metric=what, reason=f"it crashed: {fault_of(error, plugin)}; see {log}", exit_code=1)


def _measured(
    metric: Metric, comparison: Comparison, instruments: Instruments, tables: Path, source: str | None
) -> tuple[Measured, Mapping[str, str]]:
    info = metric.info
    clock = time.monotonic()
    require_counts(info, real=len(comparison.reference), synthetic=len(comparison.synthetic))
    protocol = _protocol(info, comparison, instruments) | ({"source_sha256": source} if source else {})
    evidence = comparison.evidence(instruments)
    planned = with_all_comparisons(info, evidence)
    measurement = finite_only(metric.measure(planned))
    protocol |= measurement.scope
    floor = floor_of(metric, measurement, planned)
    table = _joined(measurement.table, floor.table)
    if table is not None:
        write_table(tables / f"{info.name}.csv", table)
    result = Result(
        metric=info.name,
        summary=info.summary,
        value=measurement.value,
        ci95=measurement.ci95,
        ci_method=measurement.ci_method,
        floor=floor.value,
        floor_note=floor.note,
        floor_values=floor.values,
        floor_counts=floor.counts,
        ceiling=measurement.ceiling,
        ceiling_note=measurement.ceiling_note,
        against=against(metric, measurement, planned),
        better=info.better,
        unit=info.unit,
        n_real=protocol["n_real"],
        n_synthetic=protocol["n_synthetic"],
        parts=measurement.parts,
        floor_parts=floor.parts,
        definitions=dict(info.parts),
        notes=(*measurement.notes, *_dominating(measurement, evidence)),
        fingerprint=fingerprint(protocol),
        protocol=protocol,
        stand_ins=instruments.stand_ins(info),
        replicates={
            side: resampled(found, comparison.synthetic if side == "synthetic" else (), instruments.cache)
            for side, found in measurement.replicates.items()
        },
        seconds=round(time.monotonic() - clock, 3),
        table=f"tables/{info.name}.csv" if table is not None else None,
        cases=info.cases,
    )
    return Measured(result, table, evidence), measurement.skipped


def _dominating(found: Measurement, evidence: Evidence) -> Iterator[str]:
    """Yield a note for each side where one group of subjects makes most of the interval's variance."""
    for name, side in (("real", evidence.real), ("synthetic", evidence.synthetic)):
        replicates = found.replicates.get(name)
        if replicates is not None:
            subjects = np.unique(side.subjects)
            group = groups_of(subjects.tolist(), most=len(replicates.sizes))
            members = [subjects[group == index].tolist() for index in range(len(replicates.sizes))]
            yield from dominance_notes(replicates.contributions(found.value), members, side=name)


def _protocol(info: MetricInfo, comparison: Comparison, instruments: Instruments) -> dict[str, Any]:
    """Return everything that decides the metric's value besides the voxels of the samples."""
    sides = (comparison.reference, comparison.synthetic)
    if info.judges == "autoencoder":
        sides = (comparison.held_out, comparison.held_out)
    masks = {"reference_masks": comparison.reference_masks} if "segmenter" in info.needs else {}
    # The first volumes by name are others than the first of a split, though they be equally many.
    first = instruments.protocol.volumes_per_side
    return {
        "metric": info.name,
        "version": info.version,
        "reference": comparison.identity,
        **masks,
        **({"volumes_per_side": first} if first is not None else {}),
        "n_real": len(sides[0]),
        "n_synthetic": len(sides[1]),
        "grid": instruments.describe("grid"),
        "window": instruments.describe("window"),
        **instruments.described(info),
    }


def _joined(table: pd.DataFrame | None, floor: pd.DataFrame | None) -> pd.DataFrame | None:
    """Put the held-out volumes' rows of the floor below the table, where its rows name a side."""
    if table is None or floor is None or "side" not in table.columns:
        return table
    import pandas as pd

    held_out = floor[floor["side"] == "synthetic"].assign(side="held_out")
    return pd.concat([table, held_out], ignore_index=True)


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all; no spreadsheet takes a name in it for a formula."""
    with atomic_path(path) as temporary:
        neutral_table(table).to_csv(temporary, index=False, lineterminator="\n")
