"""The doors for scripts: the same work as the commands, without printing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medbench.datasets.base import Case, Dataset, Split
from medbench.errors import SpecError
from medbench.pipeline.folder import FolderEvaluation
from medbench.pipeline.options import FolderOptions, weight_files
from medbench.pipeline.options import load_dataset as _load_dataset
from medbench.plugin_faults import source_of
from medbench.progress import Progress, silent
from medbench.records.results import Report


def evaluate(
    samples: Path | str,
    *,
    dataset: str | None = None,
    real: Path | str | None = None,
    masks: Path | str | None = None,
    real_masks: Path | str | None = None,
    metrics: Sequence[str] = (),
    protocol: str | None = None,
    segmenter: str | None = None,
    shape: tuple[int, int, int] | None = None,
    data_root: Path | str | None = None,
    device: str = "auto",
    out: Path | str | None = None,
    weights: Mapping[str, Path | str] | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> Report:
    """Evaluate a folder of volumes against a data set or against a folder of real volumes.

    Args:
        samples: folder of volumes (any supported format, searched recursively).
        dataset: registered data set; or give ``real``.
        real: folder of real volumes.
        masks: folder of the label maps that the samples were made from, with the volumes' names.
        real_masks: folder of the real volumes' label maps, likewise.
        metrics: registered names or ``path/to/file.py:Class``, or ``["all"]``; those that train no network where empty.
        protocol: name or TOML file; the data set's own where None.
        segmenter: another segmenter than the protocol's; ``precomputed`` lets masks stand for it on both sides.
        shape: bring all volumes to this shape (x, y, z).
        data_root: folder that holds the data set.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        out: folder for results, tables, figures and ``report.html``, which join what stands there; None keeps nothing.
        weights: files of feature networks and segmenters, by name.
        workers: processes that prepare volumes; more than one need the usual ``if __name__ == "__main__"`` guard.
        progress: told about every stage.

    Returns:
        The results; ``.frame()`` gives a table, ``.save(folder)`` writes ``results.json``.

    Raises:
        MedbenchError: bad input, or no number at all; the message names the file and the mend.
    """
    with tempfile.TemporaryDirectory(prefix="medbench-") as scratch, weight_files(weights or {}):
        options = FolderOptions(
            samples=Path(samples),
            dataset=_named("a data set", dataset),
            real=_path(real),
            masks=_path(masks),
            real_masks=_path(real_masks),
            metrics=_all_named(metrics),
            protocol=protocol,
            segmenter=_named("a segmenter", segmenter),
            shape=shape,
            out=Path(scratch) / "evaluation" if out is None else Path(out),
            data_root=_path(data_root),
            device=device,
            workers=workers,
        )
        return FolderEvaluation(options, progress).report()


def _all_named(metrics: Sequence[str]) -> tuple[str, ...]:
    if isinstance(metrics, str):
        raise SpecError(f"metrics is a list of names: give [{metrics!r}]")
    return tuple(str(_named("a metric", one)) for one in metrics)


def _named(what: str, given: str | None) -> str | None:
    """Return a name; a class or an object is refused: caches, fingerprints and worker processes know plug-ins by file.

    Raises:
        SpecError: it is one; the message says under which name it can be given.
    """
    if given is None or isinstance(given, str):
        return given
    plugin = given if isinstance(given, type) else type(given)
    file = source_of(plugin)
    name = f"{file if file.endswith('.py') else 'path/to/file.py'}:{plugin.__name__}"
    raise SpecError(f"{what} is given by its name, and {plugin.__name__} came as an object: give '{name}'")


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else Path(given)


@dataclass(frozen=True)
class LoadedDataset:
    """A data set as an iterable of its cases: training, selection and held-out split, in this order."""

    dataset: Dataset

    def __iter__(self) -> Iterator[Case]:
        for split in ("train", "select", "test"):
            yield from self.cases(split)

    def cases(self, split: Split) -> Sequence[Case]:
        """Return the cases of one split."""
        return self.dataset.cases(split)


def load_dataset(name: str, *, root: Path | str | None = None) -> LoadedDataset:
    """Return a data set by its registered name.

    Args:
        name: registered name.
        root: the folder that holds the data; ``MEDBENCH_DATA``/name where None.

    Raises:
        UnknownPluginError: no data set has that name.
        SpecError: an object in place of a name.
    """
    _named("a data set", name)
    return LoadedDataset(_load_dataset(name, root=_path(root)))
