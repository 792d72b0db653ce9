"""What is known to be impossible before any volume is prepared, sampled or measured: it is said first, not last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medbench import registry
from medbench.errors import NoNumberError, NotEnoughCasesError, Unavailable
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.opened import PRECOMPUTED
from medbench.metrics.base import MetricInfo
from medbench.progress import Progress
from medbench.records.results import Skipped, by_cause


@dataclass(frozen=True)
class Prospects:
    """What a comparison will have.

    Args:
        real: volumes of the reference.
        synthetic: volumes that are judged.
        held_out: real volumes outside the reference.
        masks: whether samples come with label maps.
        real_masks: whether the reference does.
        reconstructs: whether there is an autoencoder.
    """

    real: int
    synthetic: int
    held_out: int = 0
    masks: bool = False
    real_masks: bool = False
    reconstructs: bool = False

    def require(self, metrics: Sequence[str], instruments: Instruments, progress: Progress) -> None:
        """Refuse what cannot come to any number; tell in a line each why some metrics cannot.

        Args:
            metrics: as they were asked for.
            instruments: what the volumes will be seen with.
            progress: told about what cannot be had.

        Raises:
            NotEnoughCasesError: a side has fewer than two volumes.
            NoNumberError: none of the metrics can be computed; the message has each cause once.
            CheckpointError: weights that are damaged.
        """
        for side, count in (("sample folder", self.synthetic), ("real set", self.real)):
            if count < 2:
                raise NotEnoughCasesError(
                    f"the {side} has only {count} volume: a distribution needs at least 2 volumes"
                )
        absent = list(filter(None, (self._absent(metric, instruments) for metric in metrics)))
        if len(absent) == len(metrics):
            raise nothing_of(absent)
        for reason, names in by_cause(absent).items():
            progress.note(f"{names} will not be computed: {reason}")

    def _absent(self, metric: str, instruments: Instruments) -> Skipped | None:
        info: MetricInfo = registry.load("metrics", metric).info
        try:
            self._check(info, instruments)
            instruments.described(info)
        except (Unavailable, NotEnoughCasesError) as reason:
            return Skipped(metric=info.name, reason=str(reason))
        return None

    def _check(self, info: MetricInfo, instruments: Instruments) -> None:
        require_counts(info, real=self.real, synthetic=self.synthetic)
        if not self.held_out and (info.judges == "autoencoder" or "held_out" in info.wants):
            raise Unavailable("there are no held-out real volumes: name a --dataset with a test split")
        if info.judges == "autoencoder" and not self.reconstructs:
            raise Unavailable("there is no autoencoder: the model does not reconstruct, or only a folder was given")
        drawn = "segmenter" in info.needs and instruments.protocol.segmenter == PRECOMPUTED
        if not self.masks and (drawn or "masks" in info.wants):
            raise Unavailable("the samples have no masks: give --masks, or steer them with --conditional")
        if drawn and not self.real_masks:
            raise Unavailable("the real volumes have no masks: give --real-masks, or another --segmenter")


def require_counts(info: MetricInfo, *, real: int, synthetic: int) -> None:
    """Check that a metric gets as many volumes as it needs.

    Raises:
        NotEnoughCasesError: it gets fewer.
    """
    for side, came, fewest in (("real", real, info.min_real), ("synthetic", synthetic, info.min_synthetic)):
        if came < fewest:
            raise NotEnoughCasesError(f"{info.name} needs {fewest} {side} volumes, and {came} came")


def nothing_of(skipped: Iterable[Skipped]) -> NoNumberError:
    """Return the error of an evaluation that has no number at all; each cause is named once."""
    told = list(skipped)
    reasons = "; ".join(f"{names}: {reason}" for reason, names in by_cause(told).items())
    return NoNumberError(f"no number could be computed: {reasons}", 1 if any(one.exit_code == 1 for one in told) else 2)
