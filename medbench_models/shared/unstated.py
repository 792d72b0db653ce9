"""What public files of MedLoRD and VolDiT do not hold, and a converter must be told."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from medbench.errors import MedbenchError, SpecError
from medbench_models.shared.arguments import triple


@dataclass(frozen=True)
class Unstated:
    """What the files do not hold.

    Args:
        scale_factor: latents were multiplied by it before diffusion.
        timesteps: of the noise schedule.
        shape: voxels (x, y, z) of what is generated.
        spacing_mm: between voxels along x, y, z.
        orientation: where the arrays' axes point, like ``RAS`` or ``LPS``.
    """

    scale_factor: float
    timesteps: int = 300
    shape: tuple[int, int, int] = (512, 512, 256)
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    orientation: str = "LPS"

    def checked(self) -> Unstated:
        """Return these where they are possible.

        Raises:
            SpecError: they are not.
        """
        for name, values in (
            ("--scale-factor", (self.scale_factor,)), ("--timesteps", (self.timesteps,)),
            ("--shape", self.shape), ("--spacing", self.spacing_mm),
        ):  # fmt: skip
            if not all(0.0 < value < float("inf") for value in values):
                raise SpecError(f"{name} must be positive, and {'x'.join(map(str, values))} was given")
        if not re.fullmatch("[LR][AP][IS]", self.orientation):
            raise SpecError(f"--orientation {self.orientation} is none: give three letters like RAS or LPS")
        return self

    @property
    def flipped(self) -> tuple[int, ...]:
        """Axes along which the arrays run against RAS+."""
        return tuple(axis for axis, letter in enumerate(self.orientation) if letter in "LPI")

    @property
    def affine(self) -> tuple[tuple[float, ...], ...]:
        """Voxel index to RAS+ mm, row by row."""
        return tuple(map(tuple, np.diag([*self.spacing_mm, 1.0]).tolist()))

    @property
    def described(self) -> dict[str, Any]:
        """What a converted checkpoint's description says beside networks and source; how it was trained is unknown."""
        training = {"seed": 0, "steps": {}, "scores": {}, "trained_on": 0}
        return training | {name: getattr(self, name) for name in ("scale_factor", "shape", "affine", "flipped")}

    @property
    def in_words(self) -> str:
        """What samples depend on most, for the converter to say."""
        return f"scale factor {self.scale_factor:g}, {self.timesteps} time steps (the files state neither)"


def add_unstated(parser: argparse.ArgumentParser, *, scale_factor: float | None) -> None:
    """Add the options to a converter's command line.

    Args:
        parser: of the converter.
        scale_factor: its default; None: it must be given.
    """
    group = parser.add_argument_group("what the files do not hold")
    told = "needed" if scale_factor is None else f"default: {scale_factor:g}"
    group.add_argument(
        "--scale-factor", type=float, required=scale_factor is None, default=scale_factor,
        help=f"latents were multiplied by it, so that their standard deviation is 1 ({told})",
    )  # fmt: skip
    group.add_argument("--timesteps", type=int, default=Unstated.timesteps, help="default: 300")
    group.add_argument("--shape", type=triple(int), default=Unstated.shape, help="voxels; default: 512x512x256")
    group.add_argument(
        "--spacing", type=triple(float), dest="spacing_mm", default=Unstated.spacing_mm, help="mm; default: 1x1x1"
    )
    group.add_argument(
        "--orientation", type=str.upper, default=Unstated.orientation, help="of the arrays' axes; default: LPS"
    )


def unstated_of(options: argparse.Namespace) -> Unstated:
    """Return what was said on the command line."""
    return Unstated(*(getattr(options, field.name) for field in fields(Unstated)))


def run_converter(
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    convert: Callable[[argparse.Namespace, Unstated], Path],
) -> None:
    """Run a converter's command line: exit code 2 and one line on stderr where something is wrong.

    Args:
        parser: with the options of ``add_unstated``.
        arguments: of the command line; those of the process for None.
        convert: writes the checkpoint and returns its path.
    """
    options = parser.parse_args(arguments)
    unstated = unstated_of(options)
    try:
        path = convert(options, unstated)
    except MedbenchError as error:
        parser.exit(error.exit_code, f"medbench: {error}\n")
    sys.stderr.write(f"assumed: {unstated.in_words}\n")
    sys.stdout.write(f"checkpoint: {path}\n")
