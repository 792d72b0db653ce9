"""What a metric must offer, and what it may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from medbench.errors import NotEnoughCasesError
from medbench.statistics.resampling import NOT_ASKED, jackknifed, jackknifed_by_group

if TYPE_CHECKING:
    import pandas as pd

    from medbench.metrics.evidence import Derivation, Evidence
    from medbench.records.results import CaseColumns, Definition, Result
    from medbench.spec import Protocol as EvaluationProtocol
    from medbench.statistics.resampling import Interval, Replicates, Stay
    from medbench.storage.weights import WeightFile

Need = Literal[
    "slices", "extractor", "volume_extractor", "segmenter", "regions", "nsd_tolerance_mm", "downstream"
]  # fields of ``medbench.spec.Protocol``
Want = Literal["masks", "held_out"]
Floor = Literal["splits", "held-out", "own", "none"]


def _nothing(protocol: EvaluationProtocol) -> Sequence[Derivation]:
    del protocol
    return ()


@dataclass(frozen=True)
class MetricInfo:
    """A metric's declaration; the gate, the report and the leaderboard read it.

    Args:
        name: registered name.
        version: raised whenever the same input would yield another value.
        summary: what it measures, in one sentence.
        better: which way is better.
        unit: unit of ``value``; None for a pure number.
        min_real: fewest real subjects for which the value means anything.
        min_synthetic: fewest synthetic volumes, likewise.
        source: paper and equation.
        judges: ``samples``, or ``autoencoder`` for a metric that compares held-out volumes with their reconstructions;
            both its counts then are those of the held-out volumes.
        needs: the protocol's fields that enter the metric's fingerprint beside grid and window.
        floor: what stands for "perfect". ``splits``: the same metric between repeated random splits of the real
            volumes by patient, at the same counts; such a metric is also compared with the held-out split, where the
            gap is a sign of copying. ``held-out``: the same metric with the held-out volumes in place of the samples.
            ``own``: the metric itself says. ``none``: there is nothing to compare with.
        by_default: whether it is computed where no metrics are named; False for those that train networks or take long.
        weights: weight files of the metric's own, by the name under which their hash enters its fingerprint. A metric
            is measured without them where it can be, and says what it then lacks.
        cases: how its table names cases, where it judges case by case: two runs are then compared case by case.
        figures: what the report shows of it.
        parts: what each part of its value is, by the name of the part, or of the figure where regions have several.
        not_audited: why an audit, whose samples are damaged held-out volumes, would mislead about it; empty where it
            would not.
        wants: what a comparison must have for any number: label maps beside the samples, held-out real volumes.
        steered_by: the split whose label maps steer the samples it judges, where samples are steered and the user
            names none: ``train`` where held-out label maps would give the answer away.
        derives: what it derives of each volume under a protocol. With features and regions, which follow from
            ``needs``, that is computed for all metrics in one pass over the volumes; what is not declared is computed
            when it is asked for.
    """

    name: str
    version: str
    summary: str
    better: Literal["lower", "higher"]
    unit: str | None
    min_real: int
    min_synthetic: int
    source: str
    judges: Literal["samples", "autoencoder"] = "samples"
    needs: tuple[Need, ...] = ()
    floor: Floor = "splits"
    by_default: bool = True
    weights: Mapping[str, WeightFile] = field(default_factory=dict)
    cases: CaseColumns | None = None
    figures: tuple[Figure, ...] = ()
    parts: Mapping[str, Definition] = field(default_factory=dict)
    not_audited: str = ""
    wants: tuple[Want, ...] = ()
    steered_by: Literal["train", "test"] = "test"
    derives: Callable[[EvaluationProtocol], Sequence[Derivation]] = _nothing


@dataclass(frozen=True)
class Figure:
    """A figure that shows a metric's numbers.

    Args:
        name: its file in ``figures/``, without suffix.
        caption: what stands below it, in a sentence or two.
        alt: what is to be seen, for those who cannot see it.
        draw: writes the PNG file; called once the metric is measured.
        dark: whether its ground is dark, as on a viewing station.
    """

    name: str
    caption: str
    alt: str
    draw: Draw
    dark: bool = False


class Draw(Protocol):
    """Draws one figure."""

    def __call__(self, measured: Measured, path: Path) -> None:
        """Write a PNG file.

        Args:
            measured: what is drawn.
            path: the file.

        Raises:
            Unavailable: there is nothing to draw; the figure is then left out.
        """


@dataclass(frozen=True)
class Measured:
    """A metric's number with what stands behind it, for its figures.

    Args:
        result: as it is stored, with floor and stand-ins.
        table: the values behind it, with the rows of the held-out volumes where the floor has them; None: no table.
        evidence: what it was measured on.
    """

    result: Result
    table: pd.DataFrame | None
    evidence: Evidence


@dataclass(frozen=True)
class Measurement:
    """What a metric found.

    Args:
        value: the one number that is ranked.
        ci95: both ends of the 95 % interval of ``value``; None where it cannot be had, with ``ci_method`` saying why.
        ci_method: how the interval was made; always resampled over subjects.
        parts: values behind ``value`` by plane, region or term; a nested mapping for several figures a region.
        table: the values behind everything, one row a volume (or volume and region), for ``tables/<metric>.csv``.
        notes: what a reader of ``value`` should know, like the limits of these counts.
        skipped: parts that are absent, and why; they join the report's list.
        scope: what the value rests on and only measuring tells, like the regions that could be compared; it joins the
            metric's protocol, hence its fingerprint.
        floor: what "perfect" scores, from a metric that declares its ``own`` floor.
        floor_note: how that floor was made, or why there is none.
        ceiling: the best that the instruments allow (like the segmenter on the real image of the same mask).
        ceiling_note: how the ceiling was made, or why there is none.
        replicates: the value without one group of subjects after another, by side (``real``, ``synthetic``); two runs
            that share the real side are compared with them.
    """

    value: float
    ci95: tuple[float, float] | None
    ci_method: str
    parts: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    scope: Mapping[str, Any] = field(default_factory=dict)
    floor: float | None = None
    floor_note: str | None = None
    ceiling: float | None = None
    ceiling_note: str | None = None
    replicates: Mapping[str, Replicates] = field(default_factory=dict)

    @classmethod
    def of(cls, value: float, interval: Interval, **found: Any) -> Measurement:
        """Return a measurement with all that its interval knows; ``found`` are further fields, by name."""
        return cls(value, interval.ends, interval.method, replicates=interval.replicates, **found)

    @classmethod
    def between(
        cls,
        evidence: Evidence,
        value: float,
        statistic: Callable[[Stay, Stay], float],
        *,
        non_negative: bool,
        table: Callable[[], pd.DataFrame] | None = None,
        undefined: str = "without one group of subjects the value is no finite number",
        by_group: bool = False,
        **found: Any,
    ) -> Measurement:
        """Return the measurement of a statistic of both sides; interval and table only where they are asked for.

        Args:
            evidence: both sides.
            value: the statistic of all that they hold.
            statistic: see ``jackknifed``, as ``non_negative`` and ``undefined``.
            non_negative: the statistic cannot be below 0.
            table: makes the table; None: there is none.
            undefined: why there is no interval, if the statistic is not finite without one of the groups.
            by_group: the statistic takes not the volumes that stay but their groups, as ``groups_of`` deals them.
            found: further fields, by name.
        """
        if not evidence.intervals:
            return cls.of(value, NOT_ASKED, **found)
        interval = (jackknifed_by_group if by_group else jackknifed)(
            value,
            statistic,
            real=evidence.real.subjects,
            synthetic=evidence.synthetic.subjects,
            non_negative=non_negative,
            undefined=undefined,
        )
        return cls.of(value, interval, table=table() if table else None, **found)


class Metric(Protocol):
    """A metric: metadata and one method. The mathematics stands beside it in pure functions.

    It reads no volume by itself: sides hand it what it asks for. Floors come from the same method with real volumes
    in place of the synthetic ones, unless the metric declares its own.
    """

    info: ClassVar[MetricInfo]

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: it cannot be computed here; the message becomes the reason in ``skipped``.
            NotEnoughCasesError: too few subjects.
        """


def require_subjects(info: MetricInfo, *, real: Sequence[str], synthetic: Sequence[str]) -> None:
    """Refuse to measure fewer subjects than a metric declares.

    Args:
        info: the metric's declaration.
        real: the subject of each real volume.
        synthetic: likewise on the other side.

    Raises:
        NotEnoughCasesError: too few; the message says how many came.
    """
    for side, subjects, fewest in (("real", real, info.min_real), ("synthetic", synthetic, info.min_synthetic)):
        count = len(set(subjects))
        if count < fewest:
            raise NotEnoughCasesError(f"{info.name} needs {fewest} {side} subjects or more, got {count}")
