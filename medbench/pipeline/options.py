"""What a user asks for, resolved: engines, protocols, names of metrics."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from medbench import protocols, registry
from medbench.budget.meter import GIB
from medbench.datasets.base import Dataset
from medbench.engines.engine import Engine, parse_options
from medbench.errors import SpecError
from medbench.generators.base import GeneratorInfo
from medbench.records.sources import Source
from medbench.spec import Grid, Protocol
from medbench.storage.catalogue import weight_files as catalogued
from medbench.storage.weights import weights_variable


@dataclass(frozen=True, kw_only=True)
class TrackOptions:
    """What runs, folder evaluations and audits are asked alike; None is the default of the data set or protocol.

    Args:
        dataset: registered name; None for bare folders.
        data_root: folder that holds the data set.
        metrics: registered names, or ``all``; those that train no network where empty.
        protocol: name or TOML file.
        segmenter: another one than the protocol's.
        shape: bring all volumes to this shape (x, y, z).
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        workers: processes, or jobs at a time, that work on volumes; None: the engine's default.
        engine: where they run: ``local``, ``slurm`` or ``dask``.
        engine_options: of the cluster, like ``partition=gpu``.
        shard: ``i/n``: this command does part i of n; None: all.
    """

    dataset: str | None
    data_root: Path | None = None
    metrics: tuple[str, ...] = ()
    protocol: str | None = None
    segmenter: str | None = None
    shape: tuple[int, int, int] | None = None
    device: str = "auto"
    workers: int | None = None
    engine: str = "local"
    engine_options: tuple[str, ...] = ()
    shard: str | None = None

    def opened_engine(self) -> Engine:
        """Return the engine.

        Raises:
            SpecError: no such engine, or options that are none.
        """
        return Engine(self.engine, self.workers, parse_options(self.engine_options), self.device)


@dataclass(frozen=True, kw_only=True)
class RunOptions(TrackOptions):
    """The options of ``medbench run``; None means the default that belongs to the model, data set or protocol.

    Args:
        model: registered name, or ``path/to/file.py:Class``.
        preset: one of the model's, or a TOML file (see ``presets``).
        settings: texts such as ``stage2.steps=10000`` that change the preset.
        samples: how many.
        seed: of the run.
        budget_bytes: GPU memory that fit and sample may use.
        train: train first, in place of loading weights.
        checkpoint: weights to load.
        conditional: steer samples by label maps.
        conditions: where these come from: a split, or a folder of label maps; None: what suits the metrics.
        force: try also what is predicted to exceed the budget.
        out: the run folder.
        resume: go on where an earlier run stopped.
        command: as it was typed, for the record.
    """

    model: str
    dataset: str
    preset: str | None = None
    settings: tuple[str, ...] = ()
    samples: int | None = None
    seed: int = 0
    budget_bytes: int = 24 * GIB
    train: bool = False
    checkpoint: Path | None = None
    conditional: bool = False
    conditions: str | None = None
    force: bool = False
    out: Path | None = None
    resume: bool = True
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class FolderOptions(TrackOptions):
    """The options of ``medbench evaluate``: exactly one of ``dataset`` and ``real`` names the real side.

    Args:
        samples: what is judged: a path as ``medbench.records.sources.source_of`` reads it, or a source.
        real: likewise.
        masks: folder of the label maps that the samples were made from.
        real_masks: folder of the real volumes' label maps.
        out: where results go.
        command: as it was typed, for the record.
    """

    samples: Path | Source
    dataset: str | None = None
    real: Path | Source | None = None
    masks: Path | None = None
    real_masks: Path | None = None
    out: Path | None = None
    command: str = ""


def split_names(text: str) -> tuple[str, ...]:
    """Split a comma-separated list of names."""
    return tuple(name.strip() for name in text.split(",") if name.strip())


def use_weight_files(assignments: Sequence[str]) -> None:
    """Let ``NAME=FILE`` pairs take the place of ``MEDBENCH_WEIGHTS_<NAME>``, for this process and its workers.

    Raises:
        SpecError: not a pair, no such file, or a name that nothing asks for.
    """
    if not assignments:
        return
    known = sorted({*registry.names("features"), *registry.names("segmenters"), *catalogued()})
    for assignment in assignments:
        name, separator, file = assignment.partition("=")
        if not separator or not Path(file).is_file():
            raise SpecError(f"--weights {assignment}: give NAME=FILE with a file that exists")
        if name.lower() not in known:
            raise SpecError(f"--weights {assignment}: nothing asks for '{name}': choose from {', '.join(known)}")
        os.environ[weights_variable(name)] = str(Path(file).resolve())


@contextmanager
def weight_files(files: Mapping[str, Path | str]) -> Iterator[None]:
    """Let files take the place of ``MEDBENCH_WEIGHTS_<NAME>`` while the block runs.

    Args:
        files: by the name of the feature network, segmenter or weight file.

    Raises:
        SpecError: no such file, or a name that nothing asks for.
    """
    before = {weights_variable(name): os.environ.get(weights_variable(name)) for name in files}
    try:
        use_weight_files([f"{name}={file}" for name, file in files.items()])
        yield
    finally:
        for variable, value in before.items():
            if value is None:
                os.environ.pop(variable, None)
            else:
                os.environ[variable] = value


def resolve_metrics(asked: Sequence[str]) -> list[str]:
    """Return the metrics' registered names; unknown ones raise.

    Args:
        asked: names; ``all`` stands for every metric, and none for those that are quick.
    """
    if [name.lower() for name in asked] == ["all"]:
        return registry.names("metrics")
    if not asked:
        return [name for name in registry.names("metrics") if registry.load("metrics", name).info.by_default]
    names = [registry.canonical(name) for name in asked]
    for name in names:
        registry.load("metrics", name)
    return list(dict.fromkeys(names))


def check(options: RunOptions, info: GeneratorInfo) -> None:
    """Refuse options that contradict each other or the model.

    Raises:
        SpecError: they do; the message names them.
    """
    if options.train and options.checkpoint is not None:
        raise SpecError("--train and --checkpoint exclude each other: give one of them")
    if options.checkpoint is not None and not options.checkpoint.is_file():
        raise SpecError(f"{options.checkpoint} does not exist: give a checkpoint file")
    if "conditional" not in info.capabilities and (options.conditional or options.conditions is not None):
        raise SpecError(f"{info.name} is not conditional: leave out --conditional and --conditions")
    if options.samples is not None and options.samples < 1:
        raise SpecError(f"--samples must be at least 1, and {options.samples} was given")


def resolve_preset(info: GeneratorInfo, asked: str | None) -> str:
    """Return the preset that was asked for, or the generator's first.

    Raises:
        SpecError: it has no such preset.
    """
    if asked is not None and asked not in info.presets:
        raise SpecError(f"{info.name} has no preset '{asked}': choose from {', '.join(info.presets)}")
    return asked or info.presets[0]


def resolve_protocol(name: str, *, grid: Grid | None, segmenter: str | None = None) -> Protocol:
    """Return a protocol with the canonical grid filled in, and with another segmenter where one is given.

    Raises:
        UnknownPluginError: no such protocol or segmenter.
    """
    protocol = protocols.load(name)
    changes: dict[str, object] = {}
    if protocol.grid is None and grid is not None:
        changes["grid"] = grid
    if segmenter is not None:
        registry.load("segmenters", segmenter)
        changes["segmenter"] = registry.canonical(segmenter)
    return protocol.model_copy(update=changes) if changes else protocol


def load_dataset(name: str, *, root: Path | None = None) -> Dataset:
    """Return a data set by name.

    Raises:
        UnknownPluginError: no data set has that name.
    """
    dataset: Dataset = registry.load("datasets", name)(root)
    return dataset
