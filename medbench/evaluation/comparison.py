"""What is compared with what: volumes on disk, and the evidence that metrics are given of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from medbench import protocols
from medbench.errors import NotEnoughCasesError
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.side import StoredSide
from medbench.imaging.findings import Finding
from medbench.metrics.evidence import Evidence
from medbench.records.samples import StoredVolume
from medbench.spec import Protocol, fingerprint

Key = tuple[tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class StoredEvidence(Evidence):
    """Evidence of volumes on disk, so that floors can deal real volumes anew.

    Args:
        turns: the place of each comparison among those that are made together, by its ``key``.
    """

    real: StoredSide
    synthetic: StoredSide
    held_out: StoredSide | None
    turns: Mapping[Key, int] = field(default_factory=dict)

    @staticmethod
    def key(real: Sequence[StoredVolume], synthetic: Sequence[StoredVolume]) -> Key:
        """Return what tells a comparison from others of the same volumes."""
        return tuple(map(id, real)), tuple(map(id, synthetic))

    def between(self, real: Sequence[StoredVolume], synthetic: Sequence[StoredVolume]) -> StoredEvidence:
        """Return evidence for the value alone of other volumes, made with this one where that was planned."""
        turn = self.turns.get(self.key(real, synthetic))
        return replace(
            self,
            real=self.real.of(real),
            synthetic=self.synthetic.of(synthetic),
            intervals=False,
            together=None if turn is None else self.together,
            turn=turn or 0,
        )


@dataclass(frozen=True)
class Comparison:
    """What is compared with what.

    Args:
        synthetic: the volumes that are judged.
        reference: real volumes they are compared with.
        held_out: real volumes outside the reference, for the floor; empty where there are none.
        identity: what makes the reference this one; enters every fingerprint.
        reference_masks: fingerprint of masks that were given for the reference; enters what rests on them.
        noticed: what was noticed where the volumes were found, such as files that are not read.
    """

    synthetic: Sequence[StoredVolume]
    reference: Sequence[StoredVolume]
    held_out: Sequence[StoredVolume]
    identity: dict[str, Any]
    reference_masks: str | None = None
    noticed: Sequence[Finding] = ()

    @property
    def items(self) -> list[StoredVolume]:
        """All volumes."""
        return [*self.reference, *self.synthetic, *self.held_out]

    def require(self) -> None:
        """Check that both sides have enough volumes for any number.

        Raises:
            NotEnoughCasesError: a side has fewer than two.
        """
        for side, items in (("sample folder", self.synthetic), ("real set", self.reference)):
            if len(items) < 2:
                came = f"only {items[0].path}" if items else "no volume"
                raise NotEnoughCasesError(f"the {side} has {came}: a distribution needs at least 2 volumes")

    def evidence(self, instruments: Instruments, *, intervals: bool = True) -> StoredEvidence:
        """Return what metrics may ask for.

        Args:
            instruments: what the volumes are seen with.
            intervals: False where only values are wanted.
        """
        return StoredEvidence(
            protocol=instruments.protocol,
            real=StoredSide(self.reference, instruments, name="real"),
            synthetic=StoredSide(self.synthetic, instruments, name="synthetic"),
            held_out=StoredSide(self.held_out, instruments, name="held-out") if self.held_out else None,
            workspace=instruments,
            intervals=intervals,
        )


def track_of(dataset: str, identity: dict[str, Any], protocol: Protocol) -> str:
    """Return the track of runs that may be ranked with one another: the data set, and a fingerprint.

    Args:
        dataset: as results name it.
        identity: what makes the reference this one.
        protocol: in force.
    """
    return f"{dataset}/{fingerprint({'reference': identity, 'protocol': protocols.identity(protocol)})}"
