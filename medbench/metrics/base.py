"""What a metric must offer, and what it may ask for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from medbench.spec import Protocol as EvaluationProtocol
    from medbench.volume import Volume

Plane = Literal["xy", "yz", "zx"]


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
            it then has no floor, and both its counts are those of the held-out volumes.
        needs: what enters the metric's fingerprint beside grid and window: protocol fields, and LPIPS's weights.
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
    needs: tuple[Literal["slices", "extractor", "segmenter", "regions", "lpips"], ...] = ()


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
    """

    value: float
    ci95: tuple[float, float] | None
    ci_method: str
    parts: Mapping[str, float | Mapping[str, float]] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    scope: Mapping[str, Any] = field(default_factory=dict)


class Side(Protocol):
    """One side of a comparison, ``real`` or ``synthetic``: computed on demand, cached by content, streamed."""

    @property
    def ids(self) -> Sequence[str]:
        """Ids of the volumes, in order."""

    @property
    def subjects(self) -> Sequence[str]:
        """The subject of each volume (patient, or the sample itself), aligned with ``ids``: the unit of resampling."""

    def slice_features(self, plane: Plane) -> Iterator[np.ndarray]:
        """Yield one float32 array (slices, features) a volume, in the order of ``ids``.

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

    def reconstructions(self) -> Iterator[tuple[Volume, Volume]]:
        """Yield (volume, its reconstruction by the generator's autoencoder), both clipped to the protocol's window.

        Raises:
            Unavailable: the generator does not reconstruct, or no generator is known.
        """


@dataclass(frozen=True)
class Evidence:
    """What a metric may ask for: the reference, the set that is judged, and the protocol both are seen under.

    ``real`` is the reference (training split); ``synthetic`` is judged, and is the held-out real split when the floor
    is computed. ``held_out`` is None where there is no held-out split.
    """

    protocol: EvaluationProtocol
    real: Side
    synthetic: Side
    held_out: Side | None


class Metric(Protocol):
    """A metric: metadata and one method. It opens no file; the mathematics stands beside it in pure functions.

    The floor is the same method with the held-out real volumes in place of the synthetic ones.
    """

    info: ClassVar[MetricInfo]

    def measure(self, evidence: Evidence) -> Measurement:
        """Compute the metric.

        Raises:
            Unavailable: it cannot be computed here; the message becomes the reason in ``skipped``.
            NotEnoughCasesError: too few subjects.
        """
