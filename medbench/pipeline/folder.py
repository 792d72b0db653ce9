"""Evaluating a folder of volumes that somebody already has, without any adapter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from medbench.budget import GIB, Meter
from medbench.dataset import Dataset
from medbench.datasets.tree import content_once
from medbench.errors import SpecError
from medbench.pipeline.cache import Cache
from medbench.pipeline.engine import available_cores
from medbench.pipeline.evaluate import Comparison
from medbench.pipeline.evidence import Laboratory
from medbench.pipeline.judge import Judge, Subject
from medbench.pipeline.options import FolderOptions, load_dataset, resolve_device, resolve_metrics, resolve_protocol
from medbench.pipeline.prepare import prepare
from medbench.progress import Logged, Progress
from medbench.record import RunFolder
from medbench.results import Report
from medbench.samples import Item, first_by_name, open_folder
from medbench.spec import Grid, fingerprint
from medbench.storage.home import home

_DEFAULT_PROTOCOL = "folder-2.5d"


class FolderEvaluation:
    """A folder of samples against a data set or against another folder.

    Args:
        options: what was asked for.
        progress: told about every stage.

    Raises:
        SpecError: options that contradict each other.
        DataError: a folder is absent or holds no volumes.
    """

    def __init__(self, options: FolderOptions, progress: Progress) -> None:
        if (options.dataset is None) == (options.real is None):
            raise SpecError("what are the samples compared with? Give either --dataset NAME or --real DIR")
        if options.dataset is not None and options.real_masks is not None:
            raise SpecError("--real-masks goes with --real: a data set brings its own masks")
        self.options = options
        self.progress = progress
        self.metrics = resolve_metrics(options.metrics)
        self.dataset: Dataset | None = (
            load_dataset(options.dataset, root=options.data_root) if options.dataset is not None else None
        )
        grid = self.dataset.grid if self.dataset else None
        if options.shape is not None:
            grid = Grid(shape=options.shape, fit="resize")
        name = options.protocol or (self.dataset.info.protocol if self.dataset else _DEFAULT_PROTOCOL)
        self.protocol = resolve_protocol(name, grid=grid, segmenter=options.segmenter)
        if options.shape is not None and self.protocol.grid != grid:
            raise SpecError(f"--shape and protocol {self.protocol.name} both give a grid: leave --shape out")
        self.samples = self._first(open_folder(options.samples, masks=options.masks, progress=progress))

    @cached_property
    def comparison(self) -> Comparison:
        """The volumes on both sides; reads or prepares the real ones."""
        if self.dataset is None:
            assert self.options.real is not None
            reference = self._first(
                open_folder(self.options.real, masks=self.options.real_masks, progress=self.progress)
            )
            identity = {"name": "folder", "content": _content(reference)}
            return Comparison(self.samples, reference, (), identity, reference_masks=_masks(reference))
        real = prepare(
            self.dataset,
            grid=self.protocol.grid,
            reference_count=self.protocol.reference_count,
            workers=self.options.workers or available_cores(),
            progress=self.progress,
        )
        return Comparison(self.samples, self._first(real.reference), real.held_out, self.dataset.identity())

    def _first(self, items: Sequence[Item]) -> Sequence[Item]:
        return first_by_name(items, self.protocol.volumes_per_side)

    def default_folder(self) -> Path:
        """Return where the evaluation is kept unless ``--out`` says otherwise."""
        name = self.options.samples.resolve().name
        return Path("evaluations") / f"{name}-{fingerprint(self.spec)}"

    def evaluate(self, out: Path) -> Report:
        """Compute the metrics unless that is done; write the results, tables and figures to ``out``.

        Raises:
            SpecError: ``out`` holds something else.
            DataError: a number would be meaningless; the message names the file and the mend.
        """
        folder = RunFolder(out)
        progress = Logged(self.progress, folder.log_file)
        comparison = self.comparison
        comparison.require()
        record = folder.open(kind="evaluation", spec=self.spec)
        record.evaluation.command = self.options.command
        device = resolve_device(self.options.device)
        laboratory = Laboratory(
            self.protocol, device=device, cache=Cache(home() / "cache"), progress=progress, logs=folder.logs
        )
        judge = Judge(laboratory, self.metrics, folder=folder, record=record, meter=Meter(24 * GIB, device))
        finished = judge.finished()
        if finished is not None:
            return finished
        dataset = self.dataset.info.name if self.dataset else "folder"
        return judge.judge(Subject(self.options.samples.resolve().name, None, dataset), comparison)

    @cached_property
    def spec(self) -> dict[str, Any]:
        """What is compared with what, and how: an evaluation folder belongs to one spec."""
        return {
            "samples": _content(self.samples),
            "masks": _masks(self.samples),
            "reference": self.comparison.identity,
            "reference_masks": self.comparison.reference_masks,
            "protocol": self.protocol.model_dump(mode="json"),
        }


def _content(items: Sequence[Item]) -> str:
    """Return a fingerprint of a set's content: the files' hashes, whatever their names and order."""
    return fingerprint(sorted(item.sha256 for item in items))


def _masks(items: Sequence[Item]) -> str | None:
    """Return a fingerprint of masks and conditions and of the names of their values; None where there are none."""
    described = [
        [item.sha256, content_once(path), {str(value): name for value, name in (names or {}).items()}]
        for item in sorted(items, key=lambda item: item.id)
        for path, names in ((item.mask, item.regions), (item.condition, item.condition_regions))
        if path is not None
    ]
    return fingerprint(described) if described else None
