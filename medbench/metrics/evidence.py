"""What a metric may ask for: both sides of a comparison, and a place to train in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from medbench.metrics.together import Found, Gather, Together
from medbench.spec import Plane

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from medbench.imaging.volume import LabelMap, Volume
    from medbench.progress import Progress
    from medbench.spec import Protocol as EvaluationProtocol

Input = Literal["volume", "segmentation", "mask", "reconstructed"]
SideName = Literal["real", "synthetic", "held_out"]


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
            of: any of ``volume``, ``segmentation``, ``mask`` and ``reconstructed``: what the generator's autoencoder
                makes of the volume, a Volume.
            settings: everything else that decides the outcome, JSON-ready, with a version of the function.

        Raises:
            Unavailable: see ``segmentations``, ``masks`` and ``reconstructions``.
        """

    def reconstructions(self) -> Iterator[tuple[Volume, Volume]]:
        """Yield (volume, its reconstruction by the generator's autoencoder), both clipped to the protocol's window.

        Raises:
            Unavailable: the generator does not reconstruct, or no generator is known.
        """


@dataclass(frozen=True)
class Derivation:
    """A function of a volume's inputs with all that decides its outcome (see ``Side.derived``).

    A metric that declares it (``MetricInfo.derives``) has it computed together with all that others want of the volume.

    Args:
        name: as in ``Side.derived``, like ``compute``, ``of`` and ``settings``.
        sides: whose volumes the metric will ask for it.
    """

    name: str
    compute: Callable[..., Mapping[str, np.ndarray]]
    of: Sequence[Input]
    settings: Mapping[str, Any]
    sides: Sequence[SideName] = ("real", "synthetic", "held_out")

    def from_side(self, side: Side) -> Iterator[dict[str, np.ndarray]]:
        """Yield what it makes of each volume of a side."""
        return side.derived(self.name, self.compute, of=self.of, settings=self.settings)


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
        together: all comparisons that this one is made with; None: it is made alone.
        turn: its place among them.
    """

    protocol: EvaluationProtocol
    real: Side
    synthetic: Side
    held_out: Side | None
    workspace: Workspace
    intervals: bool = True
    together: Together | None = None
    turn: int = 0

    def shared(self, what: str, gather: Gather[Found]) -> Found:
        """Return what a function makes of this comparison, made at once for all that it is made with.

        So floors cost no further pass over the features. What is kept until all are made should be small.

        Args:
            what: names it among all that the metric gathers.
            gather: takes the comparisons and returns one entry for each; it must be the same function each time.

        Raises:
            Unavailable: from ``gather``, for this comparison by itself.
        """
        found = self.together.gathered(what, gather) if self.together else None
        if found is not None:
            return found[self.turn]
        [own] = gather(Together.alone(self.real, self.synthetic, intervals=self.intervals))
        return own


def volume_table(parts: Iterable[tuple[str, Side, Mapping[str, Any]]]) -> pd.DataFrame:
    """Return one row a volume with the columns ``side``, ``id``, ``subject`` and those of each part.

    Args:
        parts: name of the side, the side, and its columns: one value a volume, or one for all.
    """
    import pandas as pd

    frames = [
        pd.DataFrame({"side": name, "id": list(side.ids), "subject": list(side.subjects), **columns})
        for name, side, columns in parts
    ]
    return pd.concat(frames, ignore_index=True)
