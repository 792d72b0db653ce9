"""Checkpoints of the public codes of HA-GAN and its kin, converted; each model has its own ``convert``.

Their trainers write ``G_iter<N>.pth``, {``model``, ``optimizer``}, names perhaps behind ``module.``; only this file is
needed. Generators of all sizes have the same names and shapes: which of them a file is, the preset says. What a file
does not hold has to be said:

* the spacing: the public codes stretch every scan to a cube and store no spacing; 1 mm unless it is given;
* the orientation of the arrays: the public codes take scans as SimpleITK reads them, mostly LPS, so that samples are
  turned to RAS+;
* the data that it was trained on, for the leak register.

Weights are kept in float32, so that the converted generator gives what the public code gives. Files are unpickled with
``weights_only``: code in them never runs.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from medbench.errors import CheckpointError, MedbenchError, SpecError
from medbench.generators.base import TrainingData
from medbench.storage.files import sha256_of
from medbench.storage.tensors import fill, read_saved
from medbench_models.shared.arguments import triple
from medbench_models.shared.checkpoint import save
from medbench_models.shared.config import SlabPreset, preset_of
from medbench_models.shared.public_files import is_state
from medbench_models.shared.slab_gan.checkpoint import NETWORK, Description
from medbench_models.shared.slab_gan.networks import SlabGenerator, pyramid
from medbench_models.shared.weights import Checkpoints


@dataclass(frozen=True)
class PublicCode:
    """A model whose public trainer's files can be converted.

    Args:
        title: its name.
        presets: the model's.
        generator: the network that ``G_iter<N>.pth`` holds.
        checkpoints: the model's.
        trained_on: what the weights of a preset saw, where that is known.
    """

    title: str
    presets: Mapping[str, SlabPreset]
    generator: type[SlabGenerator]
    checkpoints: Checkpoints
    trained_on: Mapping[str, tuple[TrainingData, ...]]


@dataclass(frozen=True)
class Unstated:
    """What the files do not hold.

    Args:
        spacing_mm: between voxels along x, y, z.
        orientation: where the arrays' axes point, like ``RAS`` or ``LPS``.
        trained_on: name of the data set that it was trained on; None: what is known of the preset's weights.
    """

    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    orientation: str = "LPS"
    trained_on: str | None = None

    def checked(self) -> Unstated:
        """Return these where they are possible.

        Raises:
            SpecError: they are not.
        """
        if not all(0.0 < value < float("inf") for value in self.spacing_mm):
            raise SpecError(f"--spacing must be positive, and {'x'.join(map(str, self.spacing_mm))} was given")
        if not re.fullmatch("[LR][AP][IS]", self.orientation):
            raise SpecError(f"--orientation {self.orientation} is none: give three letters like RAS or LPS")
        return self

    @property
    def flipped(self) -> tuple[int, ...]:
        """Axes along which the arrays run against RAS+."""
        return tuple(axis for axis, letter in enumerate(self.orientation) if letter in "LPI")


def convert(code: PublicCode, preset: str, generator: Path, out: Path, *, unstated: Unstated) -> Path:
    """Write a generator of a public code as a checkpoint of medbench.

    Args:
        code: the model.
        preset: whose network it is; one that stretches volumes to a cube.
        generator: ``G_iter<N>.pth``.
        out: the safetensors file.
        unstated: what the file does not hold.

    Raises:
        SpecError: no such preset, one without a cube, or impossible settings.
        CheckpointError: the file is damaged, holds code, or is of another network.
        StorageError: the file cannot be written.
    """
    model = code.checkpoints.model
    config, stated = preset_of(model, code.presets, preset), unstated.checked()
    if config.cube is None:
        cubes = ", ".join(name for name, one in code.presets.items() if one.cube is not None)
        raise SpecError(f"the public code makes cubes, and the preset {preset!r} does not: choose from {cubes}")
    network = code.generator(config.network, pyramid(config.network, config.cube))
    fill(network, read(generator, title=code.title), path=generator, name=f"the generator of the preset {preset!r}")
    description = Description[type(config.network)](
        model=model,
        preset=preset,
        network=config.network,
        shape=config.cube,
        affine=tuple(map(tuple, np.diag([*stated.spacing_mm, 1.0]).tolist())),
        seed=0,
        steps={},
        scores={},
        trained_on=0,
        flipped=stated.flipped,
        saw=code.trained_on.get(preset, ()) if stated.trained_on is None else (TrainingData(stated.trained_on),),
        converted_from={"generator_sha256": sha256_of(generator)},
    )
    save(out, {NETWORK: network.sampled_state()}, description, stored="float32")
    return out


def read(path: Path, *, title: str) -> dict[str, torch.Tensor]:
    """Return the weights in a checkpoint of a public trainer, by the names that one process gives them.

    Args:
        path: the file.
        title: of the model, for the message.

    Raises:
        CheckpointError: damaged, a pickle with code in it, or no such checkpoint.
    """
    document = read_saved(path)
    state = document.get("model")
    if not is_state(state):
        raise CheckpointError(f"{path} holds no state dict under 'model': it is no checkpoint of {title}")
    return {name.removeprefix("module."): value for name, value in state.items()}


def run(code: PublicCode, arguments: Sequence[str] | None, *, preset: str, about: str | None) -> None:
    """Run a model's command line: exit code 2 and one line on stderr where something is wrong.

    Args:
        code: the model.
        arguments: those of the process for None.
        preset: the default.
        about: the text of ``--help``.
    """
    parser = _parser(code, preset, about)
    options = parser.parse_args(arguments)
    try:
        if options.generator is None:
            raise SpecError(
                f"{code.title}'s weights cannot be fetched (no licence is stated): give your file, --generator FILE"
            )
        out = options.out or code.checkpoints.path(options.preset)
        unstated = Unstated(options.spacing, options.orientation, options.trained_on)
        path = convert(code, options.preset, options.generator, out, unstated=unstated)
    except MedbenchError as error:
        parser.exit(error.exit_code, f"medbench: {error}\n")
    sys.stdout.write(f"checkpoint: {path}\n")


def _parser(code: PublicCode, preset: str, about: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {code.checkpoints.converter}",
        description=about,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    unstated = Unstated()
    parser.add_argument("--generator", type=Path, help="G_iter<N>.pth")
    parser.add_argument("--preset", default=preset, help=f"whose network it is (default: {preset})")
    parser.add_argument("--spacing", type=triple(float), default=unstated.spacing_mm, help="mm; default: 1x1x1")
    parser.add_argument(
        "--orientation", type=str.upper, default=unstated.orientation, help="of the arrays' axes; default: LPS"
    )
    parser.add_argument("--trained-on", help="the data set; default: what is known of the preset's public weights")
    parser.add_argument("--out", type=Path, help="the safetensors file; default: where medbench looks for it")
    return parser
