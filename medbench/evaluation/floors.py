"""What real volumes score: floors from repeated splits by patient, and the gap between training and held-out split.

Where the real volumes are too few for the value's counts, the floor is made at smaller ones and carried on in 1/N, or
it stands without a verdict: a floor of other counts says nothing about the value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.evaluation.comparison import StoredEvidence
from medbench.evaluation.finite import finite_only
from medbench.evaluation.splits import Volumes, floor_splits, half_splits, parts_of_training, wanted_counts
from medbench.metrics.base import Measurement, Metric, MetricInfo
from medbench.records.results import Against
from medbench.statistics.extrapolation import carried_on

if TYPE_CHECKING:
    import pandas as pd

_FEWEST_PARTS = 3

Parts = Mapping[str, float | Mapping[str, float]]


@dataclass(frozen=True)
class FloorFound:
    """A floor, or why there is none.

    Args:
        value: what real volumes score; None where it cannot be had.
        note: how it was made, or why there is none.
        values: the value in each split.
        counts: whether it stands for the value's counts (``same``), was carried on to them (``carried``) or rests on
            others (``other``), which allow no verdict; None: it was not made of real volumes in the samples' place.
        parts: means of the parts over the splits.
        table: the values behind it where held-out volumes took the samples' place, for the metric's table.
    """

    value: float | None
    note: str
    values: tuple[float, ...] = ()
    counts: Literal["same", "carried", "other"] | None = None
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
    info, held_out = metric.info, evidence.held_out
    parts = parts_of_training(info, evidence)
    if held_out is None or not parts:
        return None
    evidence, samples = _on_the_same_regions(evidence, found), evidence.synthetic.items
    try:
        beside, *each = (_value(metric, evidence.between(items, samples)) for items in (held_out.items, *parts))
    except (Unavailable, NotEnoughCasesError):
        return None
    if any(one.scope != beside.scope for one in each):
        return None
    values = tuple(one.value for one in each)
    train = float(np.mean(values))
    gap = beside.value - train if info.better == "lower" else train - beside.value
    n = len(held_out.items)
    return Against(n=n, train=train, train_values=values, held_out=beside.value, gap=gap, gap_limit=_gap_limit(values))


def _value(metric: Metric, evidence: StoredEvidence) -> Measurement:
    return finite_only(metric.measure(evidence))


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
    judged = replace(evidence, synthetic=evidence.held_out.of(items), intervals=False)
    measured = _value(metric, judged)
    note = f"{len(items)} held-out real volumes in place of the samples"
    if len(items) < wanted:
        note += f", fewer than the {wanted} samples"
    counts: Literal["same", "other"] = "same" if len(items) == wanted else "other"
    return FloorFound(measured.value, note, (measured.value,), counts, measured.parts, measured.table)


def _on_the_same_regions(evidence: StoredEvidence, found: Measurement) -> StoredEvidence:
    """Ask for the regions that the value rests on, also where real volumes among themselves share more."""
    compared = found.scope.get("compared")
    if not compared:
        return evidence
    return replace(evidence, protocol=evidence.protocol.model_copy(update={"regions": tuple(compared)}))


@dataclass(frozen=True)
class _Split:
    """What real volumes score against each other at some counts (reference, judged)."""

    counts: tuple[int, int]
    found: Sequence[Measurement]

    @property
    def values(self) -> tuple[float, ...]:
        return tuple(one.value for one in self.found)

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def parts(self) -> dict[str, Any]:
        return _mean_parts([one.parts for one in self.found])


def _from_splits(metric: Metric, found: Measurement, evidence: StoredEvidence) -> FloorFound:
    evidence = _on_the_same_regions(evidence, found)
    pool = len(evidence.real.items) + (len(evidence.held_out.items) if evidence.held_out else 0)
    wanted, dealt = wanted_counts(evidence), floor_splits(evidence)
    near = _measured(metric, evidence, dealt)
    note = (
        f"mean of {len(near.values)} random splits by patient of {pool} real volumes into {near.counts[0]} and "
        f"{near.counts[1]} ({min(near.values):.3g} to {max(near.values):.3g})"
    )
    elsewhere = sum(one.scope != found.scope for one in near.found)
    if elsewhere:
        note += f"; {elsewhere} of the splits rest on other regions or features than the value"
    if sum(near.counts) >= sum(wanted):
        return FloorFound(near.mean, note, near.values, "same", near.parts)
    note += f"; the value itself rests on {wanted[0]} and {wanted[1]}, and fewer volumes change a value"
    far = _half(metric, evidence, dealt)
    if far is None:
        return FloorFound(near.mean, f"{note}: no verdict", near.values, "other", near.parts)
    line = partial(carried_on, near_count=sum(near.counts), far_count=sum(far.counts), count=sum(wanted))
    step = line(near.mean, far.mean) - near.mean
    note += f": carried on to these counts in 1/N, by way of splits into {far.counts[0]} and {far.counts[1]}"
    beside = far.parts
    parts = {
        name: line(figure, beside[name])
        for name, figure in near.parts.items()
        if name in beside and not isinstance(figure, Mapping)
    }
    return FloorFound(near.mean + step, note, tuple(value + step for value in near.values), "carried", parts)


def _measured(metric: Metric, evidence: StoredEvidence, dealt: Sequence[tuple[Volumes, Volumes]]) -> _Split:
    found = []
    for real, judged in dealt:
        _require(metric.info, real=len(real), synthetic=len(judged))
        found.append(_value(metric, evidence.between(real, judged)))
    return _Split((len(real), len(judged)), found)


def _half(metric: Metric, evidence: StoredEvidence, near: Sequence[tuple[Volumes, Volumes]]) -> _Split | None:
    """Return the splits at half the counts, from which a floor is carried on; None where that would lead astray."""
    dealt = half_splits(evidence, near)
    if not dealt:
        return None
    try:
        far = _measured(metric, evidence, dealt)
    except (Unavailable, NotEnoughCasesError):
        return None
    return far if sum(far.counts) < sum(map(len, near[-1])) else None


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
