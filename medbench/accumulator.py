"""Judging a generator while it trains: volumes come as they are made, and real ones are prepared once."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from medbench.budget.meter import GIB, Meter
from medbench.datasets.base import Dataset
from medbench.errors import SpecError
from medbench.evaluation.cache import Cache, Entry
from medbench.evaluation.comparison import Comparison, track_of
from medbench.evaluation.gate import findings as gate
from medbench.evaluation.gate.facts import known_facts
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.measure import inspect, measure_all
from medbench.evaluation.one_pass import Look, OnePass
from medbench.evaluation.prospects import Prospects, nothing_of
from medbench.metrics.base import Metric
from medbench.metrics.evidence import SideName
from medbench.pipeline.folder import against_volumes
from medbench.pipeline.given import Given, HasDataset, Spacing, named, source
from medbench.pipeline.options import TrackOptions, resolve_metrics, weight_files
from medbench.pipeline.track import Track
from medbench.progress import Progress, silent
from medbench.records.results import Report
from medbench.records.samples import StoredVolume, first_by_name
from medbench.storage.seals import sealed_sha256

_NAME: Final = "accumulated"
_MANY: Final = 10**9


@dataclass(frozen=True)
class _Layered(Cache):
    """A cache of its own over the lasting one: what is there is read, and nothing new goes there."""

    below: Cache | None = None

    def entry(self, kind: str, sha256: str, settings: Mapping[str, Any], suffix: str) -> Entry:
        own = super().entry(kind, sha256, settings, suffix)
        if self.below is None or own.path.exists():
            return own
        lasting = self.below.entry(kind, sha256, settings, suffix)
        return own if sealed_sha256(lasting.path, lasting.key) is None else lasting


class Accumulator:
    """Judges the samples of a generator against real volumes, as often as wanted: ``update``, ``compute``, ``reset``.

    The real side is read, and seen by the protocol's networks, once: here, or by an earlier evaluation. ``update`` sees
    a sample at once, so that ``compute`` is left with the statistics. Samples lie in a scratch folder until ``reset``;
    nothing of them stays in ``MEDBENCH_HOME``. The numbers are those of ``medbench.evaluate`` of the same volumes.

    The state of random number generators, autocast and gradients of the loop around it are left alone. It is closed by
    ``close``, as a context manager, or when it is no longer used.

    Args:
        real: real volumes, as ``medbench.evaluate`` takes them; or give ``dataset``.
        dataset: registered data set, its class or an instance.
        real_masks: folder of the real volumes' label maps.
        metrics: as ``medbench.evaluate`` takes them.
        protocol: name or TOML file; the data set's own where None.
        segmenter: another segmenter than the protocol's.
        shape: bring all volumes to this shape (x, y, z).
        spacing: of arrays and tensors, in mm along x, y and z.
        data_root: folder that holds the data set.
        device: where the protocol's networks run: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        weights: files of feature networks and segmenters, by name.
        progress: told about every stage.

    Raises:
        MedbenchError: bad input, or metrics that cannot come to a number here; before anything is computed.

    Example:
        >>> import numpy as np
        >>> real = np.random.default_rng(0).normal(0, 300, (8, 16, 16, 16))
        >>> with Accumulator(real=real, metrics=["fid25d"], spacing=(1, 1, 1), device="cpu") as judge:
        ...     for batch in np.split(np.random.default_rng(1).normal(0, 300, (8, 1, 16, 16, 16)), 2):
        ...         judge.update(batch)
        ...     first = judge.compute()
        ...     judge.reset()
        ...     len(judge)
        ...
        0
        >>> first.results[0].n_synthetic
        8
    """

    def __init__(
        self,
        *,
        real: Given | None = None,
        dataset: str | type[Dataset] | Dataset | HasDataset | None = None,
        real_masks: Path | str | None = None,
        metrics: Sequence[str | type[Metric] | Metric] = (),
        protocol: str | None = None,
        segmenter: str | None = None,
        shape: tuple[int, int, int] | None = None,
        spacing: Spacing | None = None,
        data_root: Path | str | None = None,
        device: str = "auto",
        weights: Mapping[str, Path | str] | None = None,
        progress: Progress = silent,
    ) -> None:
        if (real is None) == (dataset is None):
            raise SpecError("what are the samples compared with? Give either dataset= or real=")
        self._metrics, self._dataset, self._weights = tuple(metrics), dataset, dict(weights or {})
        self._spacing, self._progress = spacing, progress
        self._scratch = Path(tempfile.mkdtemp(prefix="medbench-accumulator-"))
        self._finalizer = weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        self._items: list[StoredVolume] = []
        with self._working() as (names, data):
            track = Track.open(
                TrackOptions(
                    dataset=data,
                    data_root=None if data_root is None else Path(data_root),
                    protocol=protocol,
                    segmenter=segmenter,
                    shape=shape,
                    device=device,
                    workers=1,
                )
            )
            self._track = track
            self._against = self._real_side(real, None if real_masks is None else Path(real_masks))
            lasting = track.instruments(progress=progress, logs=self._scratch / "logs")
            scratch = _Layered(self._scratch / "cache", progress, below=lasting.cache)
            self._instruments = replace(lasting, cache=scratch)
            self._prospects().require(names, lasting, progress)
            for item in self._against.reference:
                _look_at(item, "real", names, lasting)
            for item in self._against.held_out:
                _look_at(item, "held_out", names, lasting)

    def __len__(self) -> int:
        return len(self._items)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def update(self, given: Any) -> None:
        """Add samples.

        Args:
            given: a file or folder, a ``Volume``, an array or tensor in HU on any device, (x, y, z), (n, x, y, z) or
                (n, 1, x, y, z); or an iterable of these.

        Raises:
            SpecError: it is nothing of that kind.
            DataError: a file that cannot be read.
        """
        with self._working() as (names, _):
            first = len(self._items)
            folder = self._scratch / "samples"
            if isinstance(given, (str, Path)) and Path(given).is_file():
                given = [given]
            found = source(given, name=_NAME, scratch=folder, spacing=self._spacing, start=first)
            for item in found.volumes(masks=None, progress=silent):
                _look_at(item, "synthetic", names, self._instruments)
                key = f"{len(self._items):06d}"  # two updates may name files alike
                self._items.append(replace(item, id=key, subject=key if item.subject == item.id else item.subject))

    def compute(self) -> Report:
        """Return the results of all samples since the last ``reset``; more may follow.

        Raises:
            NotEnoughCasesError: fewer than two samples.
            DataError: a number would be meaningless, as where a sample is constant or not in HU.
            NoNumberError: no metric has a number.
        """
        with self._working() as (names, _):
            samples = first_by_name(self._items, self._track.protocol.volumes_per_side)
            comparison, instruments = replace(self._against, synthetic=samples), self._instruments
            findings = inspect(comparison, instruments)
            gate.raise_on_errors(findings)
            measured, skipped = measure_all(comparison, instruments, names, tables=self._scratch / "tables")
            if not measured:
                raise nothing_of(skipped)
            return Report(
                run=_NAME,
                model=_NAME,
                model_version=None,
                dataset=self._track.name,
                track=track_of(self._track.name, comparison.identity, instruments.protocol),
                budget=Meter(24 * GIB, self._track.device).budget({}),
                gate=tuple(gate.rows(findings)),
                results=tuple(one.result.model_copy(update={"table": None, "cases": None}) for _, one in measured),
                skipped=tuple(skipped),
            )

    def reset(self) -> None:
        """Forget the samples, and what was seen in them."""
        self._items.clear()
        for name in ("samples", "cache", "tables"):
            shutil.rmtree(self._scratch / name, ignore_errors=True)

    def close(self) -> None:
        """Remove the scratch folder; nothing can be added afterwards."""
        self._finalizer()

    @contextmanager
    def _working(self) -> Iterator[tuple[list[str], str | None]]:
        """Yield the names of metrics and data set, apart from the precision that the loop around has chosen."""
        import torch

        if not self._finalizer.alive:
            raise SpecError("this accumulator is closed: make another one")
        with (
            weight_files(self._weights),
            named(self._metrics, self._dataset, workers=1, progress=self._progress) as (names, data),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False),
        ):
            yield resolve_metrics(names), data

    def _real_side(self, given: Given | None, masks: Path | None) -> Comparison:
        """Return what samples are compared with, and no samples yet."""
        track = self._track
        if given is None:
            return track.comparison((), track.real(self._progress), noticed=())
        real = source(given, name="real", scratch=self._scratch / "real", spacing=self._spacing)
        items = real.volumes(masks=masks, progress=self._progress)
        reference = first_by_name(items, track.protocol.volumes_per_side)
        return against_volumes((), reference, noticed=real.noticed(masks=masks))

    def _prospects(self) -> Prospects:
        """Return what a comparison will have; how many samples there will be, nobody knows yet."""
        against = self._against
        return Prospects(
            real=len(against.reference),
            synthetic=_MANY,
            held_out=len(against.held_out),
            real_masks=all(item.mask is not None for item in against.reference),
        )


def _look_at(item: StoredVolume, side: SideName, metrics: Sequence[str], instruments: Instruments) -> None:
    """Compute what the gate and the metrics want of a volume, as far as that is known beforehand.

    Raises:
        DataError: a file that cannot be read.
    """
    if not OnePass(instruments, tuple(metrics))(Look(item, side, pictured=False)):
        known_facts(instruments.open(item), instruments.cache)
