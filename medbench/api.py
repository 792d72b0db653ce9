"""The doors for scripts: the same work as the commands, without printing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medbench.datasets.base import Case, Dataset, Split
from medbench.errors import SpecError
from medbench.metrics.base import Metric
from medbench.pipeline.folder import FolderEvaluation
from medbench.pipeline.given import Given, named, on_disk
from medbench.pipeline.options import FolderOptions, weight_files
from medbench.pipeline.options import load_dataset as _load_dataset
from medbench.plugin_faults import source_of
from medbench.progress import Progress, silent
from medbench.records.results import Report


def evaluate(
    samples: Given,
    *,
    dataset: str | type[Dataset] | Dataset | LoadedDataset | None = None,
    real: Given | None = None,
    masks: Path | str | None = None,
    real_masks: Path | str | None = None,
    metrics: Sequence[str | type[Metric] | Metric] = (),
    protocol: str | None = None,
    segmenter: str | None = None,
    shape: tuple[int, int, int] | None = None,
    spacing: tuple[float, float, float] | None = None,
    data_root: Path | str | None = None,
    device: str = "auto",
    out: Path | str | None = None,
    weights: Mapping[str, Path | str] | None = None,
    workers: int = 1,
    progress: Progress = silent,
) -> Report:
    """Evaluate volumes against a data set or against real volumes.

    Args:
        samples: a folder; a pattern like ``"out/*.nii.gz"``; ``"cases.csv:COLUMN"``, or that pair; or any iterable of
            paths, ``Volume``s, and arrays or tensors in HU: (x, y, z), (n, x, y, z) or (n, 1, x, y, z).
        dataset: registered data set, its class or an instance; or give ``real``.
        real: real volumes, as ``samples``.
        masks: folder of the label maps that the samples were made from, with the volumes' names.
        real_masks: folder of the real volumes' label maps, likewise.
        metrics: names, ``file.py:Class``, classes or instances, or ``["all"]``; those that train no network if empty.
        protocol: name or TOML file; the data set's own where None.
        segmenter: another segmenter than the protocol's; ``precomputed`` lets masks stand for it on both sides.
        shape: bring all volumes to this shape (x, y, z).
        spacing: of arrays and tensors, in mm along x, y and z; x grows to the Right, y to Anterior, z to Superior.
        data_root: folder that holds the data set.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        out: folder for results, tables, figures and ``report.html``, joining what stands there; None keeps nothing.
        weights: files of feature networks and segmenters, by name.
        workers: processes that read volumes; more than one need the usual ``if __name__ == "__main__"`` guard.
        progress: told about every stage.

    Returns:
        The results; ``.frame()`` gives a table, ``.save(folder)`` writes ``results.json``.

    Raises:
        MedbenchError: bad input, or no number at all; the message names the file and the mend.
    """
    paths = {"masks": _path(masks), "real_masks": _path(real_masks), "data_root": _path(data_root)}
    asked: dict[str, Any] = {"protocol": protocol, "shape": shape, "device": device, "workers": workers, **paths}
    with (
        weight_files(weights or {}),
        on_disk({"samples": samples, "real": real}, spacing=spacing) as (scratch, sides),
        named(metrics, dataset, workers=workers, progress=progress) as (names, data),
    ):
        asked |= {**sides, "metrics": names, "dataset": data, "segmenter": _named_segmenter(segmenter)}
        place = scratch / "evaluation" if out is None else Path(out)
        return FolderEvaluation(FolderOptions(**asked, out=place), progress).report()


def _named_segmenter(given: str | None) -> str | None:
    """Return a segmenter's name; an object is refused: what it saw is kept under the name and version it declares.

    Raises:
        SpecError: it is one; the message says under which name it can be given.
    """
    if given is None or isinstance(given, str):
        return given
    plugin = given if isinstance(given, type) else type(given)
    file = source_of(plugin)
    name = f"{file if file.endswith('.py') else 'path/to/file.py'}:{plugin.__name__}"
    raise SpecError(f"a segmenter is given by its name, and {plugin.__name__} came as an object: give '{name}'")


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


def load_dataset(name: str | type[Dataset] | Dataset, *, root: Path | str | None = None) -> LoadedDataset:
    """Return a data set.

    Args:
        name: registered name or ``path/to/file.py:Class``; a class or an instance is taken as it is.
        root: the folder that holds the data; ``MEDBENCH_DATA``/name where None.

    Raises:
        UnknownPluginError: no data set has that name.
    """
    if isinstance(name, str):
        return LoadedDataset(_load_dataset(name, root=_path(root)))
    return LoadedDataset(name(_path(root)) if isinstance(name, type) else name)
