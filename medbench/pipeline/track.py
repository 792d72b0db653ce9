"""A track: a data set under a protocol, on a device; what runs, folder evaluations and audits stand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medbench import registry
from medbench.datasets.base import Accounted, Dataset
from medbench.engines.devices import resolve_device
from medbench.engines.engine import Engine
from medbench.errors import SpecError
from medbench.evaluation.cache import Cache
from medbench.evaluation.comparison import Comparison
from medbench.evaluation.instruments import Autoencoder, Instruments
from medbench.evaluation.prospects import Prospects
from medbench.imaging.findings import Finding
from medbench.pipeline.options import TrackOptions, load_dataset, resolve_protocol
from medbench.pipeline.prepare import RealSplits, absent, prepare
from medbench.pipeline.shard import WHOLE, Shard
from medbench.progress import Progress
from medbench.records.samples import StoredVolume, first_by_name
from medbench.spec import Grid, Protocol
from medbench.storage import uses
from medbench.storage.home import home, shared_home

_DEFAULT_PROTOCOL = "folder-2.5d"


@dataclass(frozen=True)
class Track:
    """A data set (None: bare folders) and the protocol in force, on a device.

    Args:
        dataset: where real cases come from; None where folders are compared.
        protocol: with the canonical grid filled in.
        options: what was asked for; the device is resolved when it is needed, which may import torch.
    """

    dataset: Dataset | None
    protocol: Protocol
    options: TrackOptions

    @classmethod
    def open(cls, options: TrackOptions) -> Track:
        """Return the track that options name.

        Raises:
            UnknownPluginError: no such data set, protocol or segmenter.
            SpecError: protocol and ``shape`` both give a grid.
        """
        data = load_dataset(options.dataset, root=options.data_root) if options.dataset is not None else None
        shape = options.shape
        grid = Grid(shape=shape, fit="resize") if shape is not None else data.grid if data else None
        name = options.protocol or (data.info.protocol if data else _DEFAULT_PROTOCOL)
        protocol = resolve_protocol(name, grid=grid, segmenter=options.segmenter)
        if shape is not None and protocol.grid != grid:
            raise SpecError(f"--shape and protocol {protocol.name} both give a grid: leave --shape out")
        return cls(data, protocol, options)

    @property
    def name(self) -> str:
        """Name of the data set, ``folder`` where there is none."""
        return self.dataset.info.name if self.dataset else "folder"

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What makes the data set this one, down to the file of a plug-in that reads it."""
        assert self.dataset is not None and self.options.dataset is not None  # bare folders go by their content
        source = registry.source_sha256(self.options.dataset)
        return {**self.dataset.identity(), **({"source_sha256": source} if source else {})}

    @cached_property
    def engine(self) -> Engine:
        """Where work over many volumes is done."""
        return self.options.opened_engine()

    @cached_property
    def device(self) -> str:
        """The torch device in force."""
        asked = self.options.device
        # A node from which jobs are submitted need not have the GPUs that its jobs have.
        return resolve_device("auto" if self.engine.is_remote and asked != "cpu" else asked)

    def real(self, progress: Progress, shard: Shard = WHOLE, *, reader: Path | None = None) -> RealSplits:
        """Return the data set's reference and held-out cases on the canonical grid, prepared where they are not yet.

        Args:
            progress: told about every case.
            shard: which part of them; all where not given.
            reader: the folder of the run that will read them: until it is finished they stay (see ``storage.uses``).

        Raises:
            DataError: data absent or damaged.
            StorageError: the disk is full.
        """
        assert self.dataset is not None  # callers with bare folders have none to prepare
        splits = prepare(
            self.dataset,
            identity=self.identity,
            grid=self.protocol.grid,
            reference_count=self.protocol.reference_count,
            engine=self.engine,
            shard=shard,
            progress=progress,
        )
        if reader is not None:
            uses.begin(reader, [path for item in (*splits.reference, *splits.held_out) for path in item.files])
        return splits

    def unprepared(self) -> int:
        """Return how many of the cases that ``real`` returns are to be prepared first; no volume is read."""
        if self.dataset is None:
            return 0
        count = self.protocol.reference_count
        return absent(self.dataset, identity=self.identity, grid=self.protocol.grid, reference_count=count)

    def prospects(self, *, samples: int, masks: bool, reconstructs: bool = False) -> Prospects:
        """Return what a comparison of samples with the data set will have; no volume is read.

        Args:
            samples: how many there are or will be.
            masks: whether label maps come with them.
            reconstructs: whether there is an autoencoder.

        Raises:
            DataError: data absent or damaged.
        """
        assert self.dataset is not None  # as for real
        protocol = self.protocol
        reference = self.dataset.cases("train")[: protocol.reference_count][: protocol.volumes_per_side]
        return Prospects(
            real=len(reference),
            synthetic=min(samples, protocol.volumes_per_side or samples),
            held_out=len(self.dataset.cases("test")),
            masks=masks,
            real_masks=all(case.read_label_map is not None for case in reference),
            reconstructs=reconstructs,
        )

    def comparison(
        self, samples: Sequence[StoredVolume], real: RealSplits, *, noticed: Sequence[Finding]
    ) -> Comparison:
        """Return samples against the data set; the protocol may take only the first volumes of either side.

        Args:
            samples: what is judged.
            real: the data set's cases, prepared.
            noticed: what was noticed where the samples were found.
        """
        count = self.protocol.volumes_per_side
        return Comparison(
            first_by_name(samples, count),
            first_by_name(real.reference, count),
            real.held_out,
            self.identity,
            noticed=[*noticed, *self.noticed()],
        )

    def noticed(self) -> list[Finding]:
        """Return what the data set notices about its files, for the gate's table."""
        return list(self.dataset.noticed()) if isinstance(self.dataset, Accounted) else []

    def instruments(self, *, progress: Progress, logs: Path, autoencoder: Autoencoder | None = None) -> Instruments:
        """Return what volumes are seen with, over the cache that all evaluations share.

        Args:
            progress: told about every volume.
            logs: folder for the logs of what metrics train.
            autoencoder: a generator's.
        """
        shared = shared_home()
        cache = Cache(home() / "cache", progress, shared and shared / "cache")
        return Instruments(self.protocol, self.device, cache, progress, logs, autoencoder)
