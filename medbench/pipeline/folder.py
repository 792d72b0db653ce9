"""Evaluating volumes that somebody already has, without any adapter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medbench import protocols
from medbench.budget.meter import GIB, Meter
from medbench.errors import SpecError
from medbench.evaluation.comparison import Comparison
from medbench.evaluation.evaluation import Evaluation
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.prospects import Prospects
from medbench.imaging.findings import Finding
from medbench.pipeline import disk
from medbench.pipeline.options import FolderOptions, resolve_metrics
from medbench.pipeline.shard import WHOLE, Shard
from medbench.pipeline.track import Track
from medbench.progress import Progress
from medbench.records.lock import alone
from medbench.records.results import Report
from medbench.records.run import Logged, RunFolder, RunRecord
from medbench.records.samples import StoredVolume, content_once, first_by_name
from medbench.records.sources import as_source
from medbench.spec import fingerprint


class FolderEvaluation:
    """Samples against a data set or against other volumes. Both are read, or prepared, at once.

    Args:
        options: what was asked for.
        progress: told about every stage.

    Raises:
        SpecError: options that contradict each other.
        DataError: a folder or file is absent, or there are no volumes.
    """

    def __init__(self, options: FolderOptions, progress: Progress) -> None:
        if (options.dataset is None) == (options.real is None):
            raise SpecError("what are the samples compared with? Give either --dataset NAME or --real DIR")
        if options.dataset is not None and options.real_masks is not None:
            raise SpecError("--real-masks goes with --real: a data set brings its own masks")
        self.options = options
        self.progress = progress
        self.metrics = resolve_metrics(options.metrics)
        self.track = Track.open(options)
        self._shard = WHOLE if options.shard is None else Shard.parse(options.shard)
        self.samples, self.real = as_source(options.samples), None if options.real is None else as_source(options.real)
        self.name = self.samples.name
        samples = self._first(self.samples.volumes(masks=options.masks, progress=progress))
        reference = self._real_volumes()
        self._prospects(samples, reference).require(self.metrics, self._instruments(Path(), progress), progress)
        grid = self.track.protocol.grid
        if grid is not None and grid.shape is not None:
            seen = len(samples) + len(reference or ())
            disk.require(disk.of_track(self.track, self.metrics, grid.shape, more=seen), progress)
        self.comparison = self._comparison(samples, reference)
        self.spec = self._spec()
        self.folder = RunFolder(options.out or Path("evaluations") / f"{self.name}-{fingerprint(self.spec)}")

    @alone
    def report(self) -> Report:
        """Do what ``evaluate`` does, and write ``report.html``."""
        from medbench.report.html import write_report

        evaluation = self._evaluation()
        results = self._results(evaluation)
        write_report(self.folder.path)
        evaluation.require_number(results)
        return results

    @alone
    def evaluate(self) -> Report:
        """Compute the metrics unless that is done; write the results, tables and figures.

        Raises:
            SpecError: the folder holds something else.
            DataError: a number would be meaningless; the message names the file and the mend.
        """
        return self._results(self._evaluation())

    def open(self) -> RunRecord:
        """Return the evaluation's record; opening it makes the folder.

        Raises:
            SpecError: the folder holds something else.
        """
        return self.folder.open(kind="evaluation", spec=self.spec, progress=self.progress)

    def look(self, shard: Shard) -> None:
        """Look at a shard's volumes, and measure nothing; of a data set no other cases are prepared."""
        both = self.comparison
        reference = both.reference if self.real is None else shard.of(both.reference)
        self._evaluation().look(replace(both, synthetic=shard.of(both.synthetic), reference=reference))

    def _results(self, evaluation: Evaluation) -> Report:
        return evaluation.finished() or evaluation.run(
            self.comparison, model=self.name, version=None, dataset=self.track.name
        )

    def _evaluation(self) -> Evaluation:
        record = self.open()
        record.evaluation.command = self.options.command
        instruments = self._instruments(self.folder.logs, Logged(self.progress, self.folder.log_file))
        meter = Meter(24 * GIB, self.track.device)
        samples = fingerprint(self.spec)
        return Evaluation(instruments, self.metrics, self.folder, record, meter, samples, self.track.engine)

    def _instruments(self, logs: Path, progress: Progress) -> Instruments:
        return self.track.instruments(progress=progress, logs=logs)

    def _real_volumes(self) -> Sequence[StoredVolume] | None:
        """Return the real volumes that were named; None where a data set has them."""
        if self.real is None:
            return None
        return self._first(self.real.volumes(masks=self.options.real_masks, progress=self.progress))

    def _prospects(self, samples: Sequence[StoredVolume], reference: Sequence[StoredVolume] | None) -> Prospects:
        masks = any(item.mask is not None or item.condition is not None for item in samples)
        if reference is not None:
            return Prospects(len(reference), len(samples), masks=masks, real_masks=self.options.real_masks is not None)
        return self.track.prospects(samples=len(samples), masks=masks)

    def _comparison(self, samples: Sequence[StoredVolume], reference: Sequence[StoredVolume] | None) -> Comparison:
        options = self.options
        noticed = self.samples.noticed(masks=options.masks)
        if reference is None:
            return self.track.comparison(samples, self.track.real(self.progress, self._shard), noticed=noticed)
        assert self.real is not None  # or a data set
        return against_volumes(samples, reference, noticed=[*noticed, *self.real.noticed(masks=options.real_masks)])

    def _first(self, items: Sequence[StoredVolume]) -> Sequence[StoredVolume]:
        return first_by_name(items, self.track.protocol.volumes_per_side)

    def _spec(self) -> dict[str, Any]:
        """Say what is compared with what, and how: an evaluation folder belongs to one spec."""
        return {
            "samples": _content(self.comparison.synthetic),
            "masks": _masks(self.comparison.synthetic),
            "reference": self.comparison.identity,
            "reference_masks": self.comparison.reference_masks,
            "protocol": protocols.identity(self.track.protocol),
        }


def against_volumes(
    samples: Sequence[StoredVolume], reference: Sequence[StoredVolume], *, noticed: Sequence[Finding]
) -> Comparison:
    """Return samples against real volumes that belong to no data set, which go by their content.

    Args:
        samples: what is judged.
        reference: real volumes.
        noticed: what was noticed where they were found.
    """
    identity = {"name": "folder", "content": _content(reference)}
    return Comparison(samples, reference, (), identity, reference_masks=_masks(reference), noticed=noticed)


def _content(items: Sequence[StoredVolume]) -> str:
    """Return a fingerprint of a set's content: the files' hashes, whatever their names and order.

    Which of them are of one subject is part of it, where there are such: intervals and floors rest on subjects.
    """
    by_subject: dict[str, list[str]] = {}
    for item in items:
        by_subject.setdefault(item.subject, []).append(item.sha256)
    if all(len(hashes) == 1 for hashes in by_subject.values()):
        return fingerprint(sorted(item.sha256 for item in items))
    return fingerprint(sorted(sorted(hashes) for hashes in by_subject.values()))


def _masks(items: Sequence[StoredVolume]) -> str | None:
    """Return a fingerprint of masks and conditions and of the names of their values; None where there are none."""
    described = [
        [item.sha256, content_once(path), {str(value): name for value, name in (names or {}).items()}]
        for item in sorted(items, key=lambda item: item.id)
        for path, names in ((item.mask, item.regions), (item.condition, item.condition_regions))
        if path is not None
    ]
    return fingerprint(described) if described else None
