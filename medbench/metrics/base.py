"""What a metric must offer, and what it may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from medbench.errors import NotEnoughCasesError
from medbench.spec import Plane

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from medbench.imaging.volume import LabelMap, Volume
    from medbench.progress import Progress
    from medbench.records.results import CaseColumns, Result
    from medbench.spec import Protocol as EvaluationProtocol
    from medbench.statistics.resampling import Interval, Replicates
    from medbench.storage.weights import WeightFile

Input = Literal["volume", "segmentation", "mask"]
Need = Literal[
    "slices", "extractor", "volume_extractor", "segmenter", "regions", "nsd_tolerance_mm", "downstream"
]  # fields of ``medbench.spec.Protocol``
Floor = Literal["splits", "held-out", "own", "none"]


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
        by_default: whether it is computed where no metrics are named; False for those that train networks.
        weights: weight files of the metric's own, by the name under which their hash enters its fingerprint. A metric
            is measured without them where it can be, and says what it then lacks.
        cases: how its table names cases, where it judges case by case: two runs are then compared case by case.
        figures: what the report shows of it.
        not_audited: why an audit, whose samples are damaged held-out volumes, would mislead about it; empty where it
            would not.
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
    not_audited: str = ""


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


class Side(Protocol):
    """One side of a comparison, ``real`` or ``synthetic``: computed on demand, cached by content, streamed."""

    @property
    def ids(self) -> Sequence[str]:
        """Ids of the volumes, in order."""

    @property
    def subjects(self) -> Sequence[str]:
        """The subject of each volume (patient, or the sample itself), aligned with ``ids``: the unit of resampling."""

    @property
    def content(self) -> str:
        """A fingerprint of the volumes and of what lies beside them; keys what was trained on this side."""

    @property
    def masks_stand_for_segmenter(self) -> bool:
        """Whether the same files would serve as masks and as segmentations: comparing them then says nothing."""

    def only(self, ids: Sequence[str]) -> Side:
        """Return the same side with these volumes alone, in this order."""

    def slice_features(self, plane: Plane) -> Iterator[np.ndarray]:
        """Yield one float32 array (slices, features) a volume, in the order of ``ids``.

        Raises:
            Unavailable: the extractor's weights are not here; the message says how to get them.
        """

    def volume_features(self) -> Iterator[np.ndarray]:
        """Yield one float32 array (features,) a volume, in the order of ``ids``.

        Raises:
            Unavailable: the extractor's weights are not here; the message says how to get them.
        """

    def region_voxels(self) -> pd.DataFrame:
        """Return voxel counts: one row a volume (index: id), one int column a region.

        Two more columns: ``voxels`` (all voxels of the volume) and ``voxel_ml`` (mL of one voxel).

        Raises:
            Unavailable: no segmenter and no masks.
        """

    def volumes(self) -> Iterator[Volume]:
        """Yield the volumes on the canonical grid, in the order of ``ids``."""

    def segmentations(self) -> Iterator[LabelMap]:
        """Yield what the protocol's segmenter sees in each volume, on the canonical grid.

        Raises:
            Unavailable: no segmenter and no masks.
        """

    def masks(self) -> Iterator[LabelMap]:
        """Yield the label map that each volume was made from, or that was drawn on it, on the canonical grid.

        For a sample it is the mask that steered it (or the one given for it); for a real volume its data set's.

        Raises:
            Unavailable: a volume has none.
        """

    def derived(
        self,
        name: str,
        compute: Callable[..., Mapping[str, np.ndarray]],
        *,
        of: Sequence[Input],
        settings: Mapping[str, Any],
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yield what a pure function makes of each volume, cached by content: computed once, shared by all runs.

        Args:
            name: what it is, for the cache and for progress.
            compute: takes the inputs named by ``of`` in that order (Volume, LabelMap), on the canonical grid; returns
                named arrays, a few bytes or megabytes.
            of: any of ``volume``, ``segmentation``, ``mask``.
            settings: everything else that decides the outcome, JSON-ready, with a version of the function.

        Raises:
            Unavailable: see ``segmentations`` and ``masks``.
        """

    def reconstructions(self) -> Iterator[tuple[Volume, Volume]]:
        """Yield (volume, its reconstruction by the generator's autoencoder), both clipped to the protocol's window.

        Raises:
            Unavailable: the generator does not reconstruct, or no generator is known.
        """


class Workspace(Protocol):
    """Where metrics that train networks work."""

    @property
    def device(self) -> str:
        """The torch device."""

    @property
    def progress(self) -> Progress:
        """Told about every step."""

    def folder(self, name: str, settings: Mapping[str, Any]) -> Path:
        """Return a lasting folder that belongs to these settings, made if absent: the same ones find it again.

        Args:
            name: the metric.
            settings: everything that decides what is made there, JSON-ready.
        """

    @property
    def logs(self) -> Path:
        """The folder of the run or evaluation for logs of what was trained; made if absent."""


@dataclass(frozen=True)
class Evidence:
    """What a metric may ask for: the reference, the set that is judged, and the protocol both are seen under.

    Args:
        protocol: in force for all sides.
        real: the reference (training split), or a part of it while floors are computed.
        synthetic: what is judged; real volumes when the floor is computed.
        held_out: real volumes outside the reference; None where there are none.
        workspace: for metrics that train networks.
        intervals: False where only the value is wanted (floors, gaps): intervals and tables may then be left out.
    """

    protocol: EvaluationProtocol
    real: Side
    synthetic: Side
    held_out: Side | None
    workspace: Workspace
    intervals: bool = True


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
