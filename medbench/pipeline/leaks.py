"""The leak register: where the data that weights were trained on overlap the data set that judges them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from medbench import registry
from medbench.datasets.base import DatasetInfo
from medbench.errors import MedbenchError
from medbench.generators.base import GeneratorInfo, TrainingData
from medbench.storage.tensors import read_description

if TYPE_CHECKING:
    from medbench.pipeline.run import Run

STATED = "saw"
"""The key under which a checkpoint's description states its training data."""


def overlaps(model: str, seen: Iterable[TrainingData], dataset: DatasetInfo, *, says: str = "") -> tuple[str, ...]:
    """Return one sentence for each of the data that weights saw which overlaps a data set.

    Args:
        model: whose weights they are.
        seen: what they were trained on.
        dataset: the data set that judges them.
        says: who says so, where it is not the generator's own declaration.
    """
    found = []
    for one in seen:
        how = _overlap(one.dataset, dataset)
        if how is not None:
            found.append(f"{model}: {one.in_words()}, {how}{says}")
    return tuple(found)


def leaks_of_preset(info: GeneratorInfo, preset: str, dataset: DatasetInfo) -> tuple[str, ...]:
    """Return the leaks of a preset's own weights, by the generator's declaration."""
    declared = info.trained_on.get(preset)
    if declared is None:
        return (f"{info.name}: what the weights of its preset {preset} were trained on is not declared",)
    return overlaps(info.name, declared, dataset)


def leaks_of_checkpoint(model: str, checkpoint: Path, dataset: DatasetInfo) -> tuple[str, ...]:
    """Return the leaks of a checkpoint that somebody gave; it is believed what it states."""
    stated = stated_by(checkpoint)
    if stated is None:
        return (f"{model}: what {checkpoint.name} was trained on is not declared",)
    return overlaps(model, stated, dataset, says=f" (says {checkpoint.name})")


def leaks_of_trained(model: str, checkpoint: Path | None, dataset: DatasetInfo) -> tuple[str, ...]:
    """Return the leaks of what a run trains itself: what its checkpoint states, else the data set's training split.

    Args:
        model: whose weights they are.
        checkpoint: what it has trained; None before that.
        dataset: the data set that trains and judges it.
    """
    stated = stated_by(checkpoint) if checkpoint is not None else None
    return overlaps(model, stated or (train_split(dataset),), dataset)


def train_split(dataset: DatasetInfo) -> TrainingData:
    """Return the training split of a data set as what weights saw."""
    return TrainingData(dataset.name, note="train split")


def stated_by(checkpoint: Path) -> tuple[TrainingData, ...] | None:
    """Return what a checkpoint says that it was trained on; None where it does not say."""
    description = read_description(checkpoint)
    if description is None or not description.get(STATED):
        return None
    try:
        return tuple(TrainingData(**one) for one in description[STATED])
    except TypeError:
        return None


def _overlap(name: str, dataset: DatasetInfo) -> str | None:
    """Say how a data set of some name overlaps the one that judges; None where they are not known to."""
    wanted = _key(name)
    if wanted in _names(dataset):
        return "which is this dataset"
    if wanted in map(_key, dataset.part_of):
        return "which contains this dataset"
    if wanted in map(_key, dataset.contains):
        return "which is part of this dataset"
    other = next((info for info in _registered() if wanted in _names(info)), None)
    if other is None:
        return None
    shared = [whole for whole in dataset.part_of if _key(whole) in map(_key, other.part_of)]
    return f"which like this dataset is part of {shared[0]}: they may share volumes" if shared else None


def _names(dataset: DatasetInfo) -> set[str]:
    return {_key(name) for name in (dataset.name, *dataset.known_as)}


def _registered() -> Iterable[DatasetInfo]:
    for name in registry.names("datasets"):
        try:
            yield registry.load("datasets", name).info
        except MedbenchError:  # another package's, which cannot be imported here
            continue


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def leaks_of_run(run: Run) -> tuple[str, ...]:
    """Say what a run's weights saw of the data that it is judged by, or that nobody can say."""
    options, info = run.options, run.dataset.info
    if options.train:
        made = run.record.detail("fit").get("checkpoint")
        return leaks_of_trained(run.info.name, run.folder.path / made if made else None, info)
    if options.checkpoint is not None:
        return leaks_of_checkpoint(run.info.name, options.checkpoint, info)
    return leaks_of_preset(run.info, run.chosen.preset, info) if run.spec.weights else ()
