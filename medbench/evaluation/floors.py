"""What real volumes score: floors from repeated splits by patient, and the gap between training and held-out split."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.evaluation.comparison import StoredEvidence
from medbench.evaluation.finite import finite_only
from medbench.metrics.base import Measurement, Metric, MetricInfo
from medbench.records.results import Against
from medbench.records.samples import StoredVolume

if TYPE_CHECKING:
    import pandas as pd

_MOST_PARTS_OF_REFERENCE = 10
_FEWEST_PARTS = 3

Parts = Mapping[str, float | Mapping[str, float]]


@dataclass(frozen=True)
class FloorFound:
    """A floor, or why there is none.

    Args:
        value: what real volumes score; None where it cannot be had.
        note: how it was made, or why there is none.
        values: the value in each split.
        parts: means of the parts over the splits.
        table: the values behind it where held-out volumes took the samples' place, for the metric's table.
    """

    value: float | None
    note: str
    values: tuple[float, ...] = ()
    parts: Parts = field(default_factory=dict)
    table: pd.DataFrame | None = None


def floor_of(metric: Metric, found: Measurement, evidence: StoredEvidence) -> FloorFound:
    """Return the floor of a metric as its declaration says (see ``MetricInfo.floor``).

    Args:
        metric: the metric.
        found: what it measured.
        evidence: what it measured that on.
    """
    kind = metric.info.floor
    if kind == "none":
        return FloorFound(None, "no floor: held-out real volumes are what the value is measured on")
    if kind == "own":
        return FloorFound(found.floor, found.floor_note or "no floor")
    try:
        if kind == "held-out":
            return _from_held_out(metric, evidence)
        return _from_splits(metric, found, evidence)
    except (Unavailable, NotEnoughCasesError) as reason:
        return FloorFound(None, f"no floor: {reason}")


def against(metric: Metric, found: Measurement, evidence: StoredEvidence) -> Against | None:
    """Compare the samples with training and held-out split at equal counts; None where that cannot be had.

    It cannot be had either where the values would rest on other regions or features: their difference says nothing.

    Args:
        metric: the metric.
        found: what it measured.
        evidence: what it measured that on.
    """
    info, reference = metric.info, evidence.real.items
    held_out = evidence.held_out.items if evidence.held_out else ()
    n = len(held_out)
    if info.floor != "splits" or n < max(info.min_real, 2) or n > len(reference):
        return None
    order = _shuffled_by_subject(reference, np.random.default_rng(0))
    parts = [order[start : start + n] for start in range(0, len(order) - n + 1, n)][:_MOST_PARTS_OF_REFERENCE]
    evidence = _on_the_same_regions(evidence, found)
    try:
        sides = [evidence.real.of(items) for items in (held_out, *parts)]
        beside, *each = (_value(metric, replace(evidence, real=side)) for side in sides)
    except (Unavailable, NotEnoughCasesError):
        return None
    if any(one.scope != beside.scope for one in each):
        return None
    values = tuple(one.value for one in each)
    train = float(np.mean(values))
    gap = beside.value - train if info.better == "lower" else train - beside.value
    return Against(n=n, train=train, train_values=values, held_out=beside.value, gap=gap, gap_limit=_gap_limit(values))


def _value(metric: Metric, evidence: StoredEvidence) -> Measurement:
    """Measure the value alone, without interval and table."""
    return finite_only(metric.measure(replace(evidence, intervals=False)))


def _gap_limit(values: Sequence[float]) -> float | None:
    """Return the upper end of the one-sided 95 % prediction interval of one more value, less the mean of the values."""
    if len(values) < _FEWEST_PARTS:
        return None
    from scipy.stats import t

    quantile = float(t.ppf(0.95, len(values) - 1))
    return quantile * float(np.std(values, ddof=1) * np.sqrt(1.0 + 1.0 / len(values)))


def _from_held_out(metric: Metric, evidence: StoredEvidence) -> FloorFound:
    wanted = len(evidence.synthetic.items)
    items = evidence.held_out.items[:wanted] if evidence.held_out else ()
    _require(metric.info, synthetic=len(items))
    assert evidence.held_out is not None  # required
    measured = _value(metric, replace(evidence, synthetic=evidence.held_out.of(items)))
    note = f"{len(items)} held-out real volumes in place of the samples"
    if len(items) < wanted:
        note += f", fewer than the {wanted} samples"
    return FloorFound(measured.value, note, (measured.value,), measured.parts, measured.table)


def _on_the_same_regions(evidence: StoredEvidence, found: Measurement) -> StoredEvidence:
    """Ask for the regions that the value rests on, also where real volumes among themselves share more."""
    compared = found.scope.get("compared")
    if not compared:
        return evidence
    return replace(evidence, protocol=evidence.protocol.model_copy(update={"regions": tuple(compared)}))


def _from_splits(metric: Metric, found: Measurement, evidence: StoredEvidence) -> FloorFound:
    evidence = _on_the_same_regions(evidence, found)
    pool = [*evidence.real.items, *(evidence.held_out.items if evidence.held_out else ())]
    wanted = len(evidence.real.items), len(evidence.synthetic.items)
    measured = []
    for real, judged in splits(pool, real=wanted[0], judged=wanted[1], count=evidence.protocol.floor_splits):
        _require(metric.info, real=len(real), synthetic=len(judged))
        one_side, other = (evidence.real.of(items) for items in (real, judged))
        measured.append(_value(metric, replace(evidence, real=one_side, synthetic=other)))
        counts = len(real), len(judged)
    values = tuple(one.value for one in measured)
    note = (
        f"mean of {len(values)} random splits by patient of {len(pool)} real volumes into {counts[0]} and {counts[1]} "
        f"({min(values):.3g} to {max(values):.3g})"
    )
    if sum(counts) < sum(wanted):
        note += f"; the value itself rests on {wanted[0]} and {wanted[1]}, and fewer volumes change a value"
    elsewhere = sum(one.scope != found.scope for one in measured)
    if elsewhere:
        note += f"; {elsewhere} of the splits rest on other regions or features than the value"
    return FloorFound(float(np.mean(values)), note, values, _mean_parts([one.parts for one in measured]))


def splits(
    pool: Sequence[StoredVolume], *, real: int, judged: int, count: int
) -> Iterator[tuple[Sequence[StoredVolume], Sequence[StoredVolume]]]:
    """Yield random splits of real volumes by patient into a reference and a set that is judged, disjoint.

    Where the pool is too small for both counts, both shrink in proportion. A patient's volumes stay together, so that
    counts may differ by a few where patients have several.

    Args:
        pool: real volumes.
        real: wanted in the reference.
        judged: wanted in the set that is judged.
        count: how many splits; the same ones whenever they are asked for.
    """
    shrink = min(1.0, len(pool) / (real + judged))
    fewer = max(1, round(judged * shrink))
    most = min(real, len(pool) - fewer)
    for seed in range(count):
        order = _shuffled_by_subject(pool, np.random.default_rng([20250313, seed]))
        cut = fewer
        while 0 < cut < len(order) and order[cut].subject == order[cut - 1].subject:
            cut += 1
        yield order[cut : cut + most], order[:cut]


def _shuffled_by_subject(items: Sequence[StoredVolume], chance: np.random.Generator) -> list[StoredVolume]:
    subjects = sorted({item.subject for item in items})
    place = {subject: index for index, subject in enumerate(chance.permutation(subjects))}
    return sorted(items, key=lambda item: place[item.subject])


def _require(info: MetricInfo, *, real: int | None = None, synthetic: int) -> None:
    fewest = max(info.min_synthetic, 2)
    if synthetic < fewest or (real is not None and real < max(info.min_real, 2)):
        raise NotEnoughCasesError("too few real volumes to judge some of them by the others")


def _mean_parts(found: Sequence[Parts]) -> dict[str, Any]:
    """Average the parts that all splits have."""
    means: dict[str, Any] = {}
    for name in found[0]:
        figures = [parts[name] for parts in found if name in parts]
        nested = [one for one in figures if isinstance(one, Mapping)]
        if len(figures) == len(found):
            means[name] = _mean_parts(nested) if nested else float(np.mean(figures))  # type: ignore[arg-type]
    return means
