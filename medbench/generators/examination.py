"""What is found out about a weight file before anything is sampled from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from medbench.generators.base import TrainingData

_SHOWN = 3


@dataclass(frozen=True)
class Part:
    """One network's weights in a file.

    Args:
        name: of the network.
        tensors: how many there are.
        numbers: in all of them.
        types: of the numbers, such as ``float16``.
        largest: greatest finite magnitude; None where there are no numbers.
        kept: which weights they are: ``averaged``, over the steps of the training, or ``raw``.
        attention: what computes its attention on the device; None where it has none.
        faults: names of tensors by what is wrong with them, such as ``missing``.
    """

    name: str
    tensors: int
    numbers: int
    types: tuple[str, ...]
    largest: float | None
    kept: str
    attention: str | None
    faults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Examination:
    """What a weight file holds, and whether a model can sample from it.

    Args:
        file: the weight file.
        model: registered name.
        layout: ``medbench``: a checkpoint that can be sampled from; ``public``: a public trainer's file, to be
            converted.
        preset: it was held against.
        presets: all whose networks it has.
        parts: the networks.
        scale_factor: of latents; None where the model has none, or only another of its files states it.
        scale_factor_is: ``stated`` by who trained the weights, or ``assumed``.
        license: of the weights; None where nobody states one.
        trained_on: what the weights saw; None where nobody says.
        faults: what else is wrong with it, besides its tensors.
        convert: the command that makes a checkpoint of it, where it is a public file.
    """

    file: Path
    model: str
    layout: Literal["medbench", "public"]
    preset: str
    presets: tuple[str, ...]
    parts: tuple[Part, ...]
    scale_factor: float | None
    scale_factor_is: Literal["stated", "assumed"] | None
    license: str | None
    trained_on: tuple[TrainingData, ...] | None
    faults: tuple[str, ...] = ()
    convert: str | None = None

    @property
    def usable(self) -> bool:
        """Whether the model can sample from it, or from what it is converted to."""
        return not self.faults and not any(part.faults for part in self.parts)

    def wrong(self) -> str:
        """Return what is wrong with it, as the end of a sentence; nothing where it is usable."""
        of_tensors = [
            f"{part.name}: {len(names)} {fault} ({', '.join(names[:_SHOWN])}{', ..' if len(names) > _SHOWN else ''})"
            for part in self.parts
            for fault, names in part.faults.items()
        ]
        return "; ".join([*self.faults, *of_tensors])

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        found = asdict(self)
        return {**found, "file": str(self.file), "usable": self.usable}
