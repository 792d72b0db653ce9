"""Which preset of a generator a run takes: one by name or from a file, with settings of the user's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medbench.datasets.base import Dataset
from medbench.errors import SpecError
from medbench.generators.base import Generator, GeneratorInfo
from medbench.generators.settings import changed, differences, read_assignments, read_preset_file, written
from medbench.pipeline.options import resolve_preset
from medbench.spec import Spec

_EPOCHS = ".epochs"


@dataclass(frozen=True)
class Configured:
    """A generator's class, one of whose presets is changed: stands where the class stands."""

    plugin: Any
    preset: str
    config: Spec

    @property
    def info(self) -> GeneratorInfo:
        """The generator's declaration."""
        info: GeneratorInfo = self.plugin.info
        return info

    def __call__(self, preset: str, *, device: str) -> Any:
        """Return a generator with a preset, the changed one where it is that."""
        own = {"config": self.config} if preset == self.preset else {}
        return self.plugin(preset, device=device, **own)


@dataclass(frozen=True)
class Chosen:
    """A preset that was chosen.

    Args:
        plugin: makes the generator: its class, or one whose preset is changed.
        preset: the name of the preset.
        told: the name with all that was changed; what the run is known by.
    """

    plugin: Any
    preset: str
    told: str

    def make(self, device: str) -> Generator:
        """Return the generator on a torch device."""
        generator: Generator = self.plugin(self.preset, device=device)
        return generator


def choose_preset(plugin: Any, asked: str | None, assignments: Sequence[str], dataset: Dataset | None) -> Chosen:
    """Return the preset that was asked for.

    Args:
        plugin: the generator's class.
        asked: a preset's name, or a TOML file; None: the first preset.
        assignments: texts such as ``stage2.steps=10000``, which go before the file's.
        dataset: what is trained on; its cases are counted where a training is given in epochs.

    Raises:
        SpecError: no such preset or setting, a file of another generator, or one that has no settings.
    """
    changes: dict[str, Any] = {}
    if asked is not None and asked.endswith(".toml"):
        file = read_preset_file(Path(asked))
        if file.model != plugin.info.name:
            raise SpecError(
                f"{asked} is a preset of {file.model}, not of {plugin.info.name}: give --model {file.model}"
            )
        asked, changes = file.preset, dict(file.changes)
    changes |= read_assignments(assignments)
    preset = resolve_preset(plugin.info, asked)
    if not changes:
        return Chosen(plugin, preset, preset)
    base = presets_of(plugin).get(preset)
    if base is None:
        raise SpecError(f"{plugin.info.name} has no settings: leave out --set, and name one of its presets")
    config = changed(base, _in_steps(base, changes, dataset), model=plugin.info.name)
    told = [f"{key}={written(value)}" for key, value in differences(config, base).items()]
    if not told:
        return Chosen(plugin, preset, preset)
    return Chosen(Configured(plugin, preset, config), preset, f"{preset}[{', '.join(told)}]")


def presets_of(plugin: Any) -> Mapping[str, Spec]:
    """Return the descriptions of a generator's presets, by name; none where it has no settings."""
    presets: Mapping[str, Spec] = getattr(plugin, "presets", {})
    return presets


def _in_steps(base: Spec, changes: Mapping[str, Any], dataset: Dataset | None) -> dict[str, Any]:
    """Return changes with a training's epochs as the steps in which it sees every case so many times."""
    counted = {key: value for key, value in changes.items() if not key.endswith(_EPOCHS)}
    for key, epochs in changes.items():
        stage = key.removesuffix(_EPOCHS)
        if stage == key:
            continue
        if isinstance(epochs, bool) or not isinstance(epochs, int | float) or epochs <= 0:
            raise SpecError(f"{key}={epochs!r} is no number of epochs: give one above 0")
        if f"{stage}.steps" in counted:
            raise SpecError(f"{key} and {stage}.steps both say how long {stage} trains: give one of them")
        training = getattr(base, stage, None)
        if not (hasattr(training, "steps") and hasattr(training, "batch")):
            counted[key] = epochs  # no training: refused like any key that there is not
            continue
        batch, accumulate = (
            counted.get(f"{stage}.{name}", getattr(training, name, 1)) for name in ("batch", "accumulate")
        )
        if dataset is None:
            raise SpecError(f"{key} needs a data set, whose cases an epoch counts: give {stage}.steps")
        seen = epochs * len(dataset.cases("train"))
        counted[f"{stage}.steps"] = max(1, math.ceil(seen / (batch * accumulate)))
    return counted
