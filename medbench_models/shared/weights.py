"""Where the weights of a model's presets lie: shipped beside its code, or converted from public files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from medbench.errors import MissingExtraError, Unavailable
from medbench.storage.home import home
from medbench.storage.weights import WeightFile


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of a model's presets, each called ``MODEL-PRESET.safetensors``, as a training calls its own.

    Args:
        model: registered name.
        folder: holds the shipped ones.
        published: the public files by preset and network, and
        converter: the module that makes a checkpoint of them; None where nothing is published.
        elsewhere: how to get weights of presets without a public file known by name; empty where there are none.
    """

    model: str
    folder: Path
    published: Mapping[str, Mapping[str, WeightFile]] = field(default_factory=dict)
    converter: str | None = None
    elsewhere: str = ""

    @property
    def files(self) -> tuple[WeightFile, ...]:
        """All public files."""
        return tuple({one.name: one for files in self.published.values() for one in files.values()}.values())

    def path(self, preset: str) -> Path:
        """Return where a preset's own weights lie, once they are here."""
        folder = home() / "weights" if preset in self.published else self.folder
        return folder / f"{self.model}-{preset}.safetensors"

    def require(self, preset: str) -> Path:
        """Return a preset's own weights.

        Raises:
            MissingExtraError: they are not here; the message says how to get or to train them.
            CheckpointError: a public file that is here is not the one that was fetched.
        """
        path = self.path(preset)
        if not path.is_file():
            raise MissingExtraError(
                f"the weights of {self.model}'s preset {preset!r} are not here: {self.how_to_have(preset)}"
            )
        return path

    def how_to_have(self, preset: str) -> str:
        """Return the commands that are still missing until a preset's own weights are here.

        Raises:
            MissingExtraError: the environment names a file that does not exist.
            CheckpointError: a public file that is here is not the one that was fetched.
        """
        if preset not in self.published:
            command = f"medbench fit --model {self.model} --preset {preset} --dataset ..."
            train = f"train them with `{command}` and pass --checkpoint"
            return f"{self.elsewhere}; or {train}" if self.elsewhere else train
        commands = [f"medbench weights fetch {one.name}" for one in self.published[preset].values() if not _here(one)]
        commands.append(f"python -m {self.converter} --preset {preset}")
        return "run " + ", then ".join(f"'{command}'" for command in commands)


def _here(weights: WeightFile) -> bool:
    try:
        weights.locate()
    except Unavailable:
        return False
    return True
