"""What is trained on what: volumes, labels and regions of a downstream task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from medbench.errors import Unavailable
from medbench.metrics.downstream.dataset import Case, Labelled, labelled
from medbench.metrics.downstream.presets import PRESETS, Preset
from medbench.metrics.evidence import Evidence


@dataclass(frozen=True, eq=False)
class Task:
    """Training sets and test set.

    Args:
        real: the real training set.
        synthetic: the synthetic one, as many volumes.
        test: held-out real volumes with label maps of their own.
        regions: names that the label maps of all three know.
        subjects: the subject of each test volume.
        preset: the schedule.
        notes: what a reader of the scores should know.
    """

    real: Labelled
    synthetic: Labelled
    test: Labelled
    regions: tuple[str, ...]
    subjects: tuple[str, ...]
    preset: Preset
    notes: tuple[str, ...]

    def training_set(self, arm: str) -> tuple[Labelled, ...]:
        """Return what ``real``, ``synthetic`` or ``both`` is trained on."""
        return {"real": (self.real,), "synthetic": (self.synthetic,), "both": (self.real, self.synthetic)}[arm]

    def cases(self, arm: str) -> Iterator[Case]:
        """Yield the training cases of an arm, one in memory at a time."""
        return chain.from_iterable(part.cases() for part in self.training_set(arm))


def task_of(evidence: Evidence) -> Task:
    """Choose training sets, labels and regions.

    Label maps that belong to the volumes come first. Where a training set has none, the segmenter's take their place
    and a note says so; test volumes must have their own.

    Raises:
        Unavailable: no test volumes or none with label maps, no labels for a training set, a training set that holds
            test volumes, or no region in common.
    """
    held_out = evidence.held_out
    if held_out is None:
        raise Unavailable("there are no held-out real volumes to test on: name a --dataset with a test split")
    count = min(len(evidence.real.ids), len(evidence.synthetic.ids))
    test = labelled(held_out, len(held_out.ids), sources=("mask",))
    real, synthetic = (
        labelled(side, count, sources=("mask", "segmentation")) for side in (evidence.real, evidence.synthetic)
    )
    for name, training in (("real", real), ("synthetic", synthetic)):
        shared = set(training.volumes) & set(test.volumes)
        if shared:
            raise Unavailable(f"{len(shared)} of the {name} volumes to train on are test volumes: scores would be void")
    sets = {"real": real, "synthetic": synthetic, "held-out": test}
    regions, left_out = _shared_regions(evidence.protocol.regions, sets)
    notes = (*left_out, *_notes(real=real, synthetic=synthetic, test=test, segmenter=evidence.protocol.segmenter))
    return Task(real, synthetic, test, regions, tuple(held_out.subjects), PRESETS[evidence.protocol.downstream], notes)


def _shared_regions(wanted: Sequence[str], sets: Mapping[str, Labelled]) -> tuple[tuple[str, ...], list[str]]:
    """Return the regions that all label maps know, and a note on each other one that is wanted or the real ones know.

    Raises:
        Unavailable: none is left.
    """
    regions, notes = [], []
    for region in wanted or sets["real"].regions:
        lacking = [name for name, one in sets.items() if region not in one.regions]
        if lacking:
            notes.append(f"{region} left out: the label maps of the {' and '.join(lacking)} volumes do not know it")
        else:
            regions.append(region)
    if not regions:
        raise Unavailable(f"no region can be compared: {'; '.join(notes) or 'the label maps name none'}")
    return tuple(regions), notes


def _notes(*, real: Labelled, synthetic: Labelled, test: Labelled, segmenter: str | None) -> list[str]:
    notes = []
    if real.source == "segmentation":
        notes.append(
            f"the real volumes have no label maps of their own: what {segmenter} sees in them is learnt, "
            "so that the scores partly compare that segmenter with itself"
        )
    if synthetic.source == "segmentation":
        notes.append(
            f"the samples' labels are what {segmenter} sees in them: the value judges samples and segmenter together"
        )
    known = sum(label in set(test.labels) for label in synthetic.labels)
    if known:
        notes.append(
            f"{known} of the {synthetic.count} samples have the label map of a test volume (they were steered by it): "
            "the synthetic arm has learnt the test's own anatomy, which flatters it: give --conditions train"
        )
    return notes
