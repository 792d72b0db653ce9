"""NVIDIA's public weights as a checkpoint of MAISI-PT: ``python -m medbench_models.maisi.convert --help``.

The files hold all weights and the factor that scales latents. Shape and spacing of what is generated are not in them:
they are asked of the networks anew for each sample, and the checkpoint keeps the ones that it shall have without a
label map. What the networks never saw in training they answer with noise, so that it is refused.

Weights are kept in float32, so that the converted networks give what the public code gives.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from medbench.errors import MedbenchError, SpecError, Unavailable
from medbench.storage.files import sha256_of
from medbench_models.maisi.checkpoint import Description
from medbench_models.maisi.config import Region
from medbench_models.maisi.networks import REGIONS
from medbench_models.maisi.presets import PRESETS
from medbench_models.maisi.published import CHECKPOINTS_PT, FROZEN_SAW, UNET_SAW
from medbench_models.maisi.upstream import Weights, read_autoencoder, read_controlnet, read_unet
from medbench_models.shared.arguments import triple
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.checkpoint import save
from medbench_models.shared.config import preset_of

_MODEL = CHECKPOINTS_PT.model
_SPACING_MM = ((0.5, 3.0), (0.5, 3.0), (0.5, 5.0))  # that the public scripts accept, along x, y and z
_LEAST_FIELD_MM = 256.0  # in the axial plane


@dataclass(frozen=True)
class Files:
    """Public checkpoint files; ``controlnet`` is None where there shall be none."""

    autoencoder: Path
    unet: Path
    controlnet: Path | None = None


@dataclass(frozen=True)
class Wanted:
    """What is generated where no label map says it.

    Args:
        shape: voxels (x, y, z).
        spacing_mm: between voxels along x, y, z.
        regions: the uppermost and the lowest region of the body, which version 1 is told.
    """

    shape: tuple[int, int, int] = (512, 512, 128)
    spacing_mm: tuple[float, float, float] = (0.7, 0.7, 2.5)
    regions: tuple[Region, Region] = ("chest", "chest")

    def checked(self) -> Wanted:
        """Return this where the networks have seen the like of it.

        Raises:
            SpecError: they have not.
        """
        told, size = ("x".join(f"{one:g}" for one in values) for values in (self.spacing_mm, self.shape))
        if not all(low <= one <= high for one, (low, high) in zip(self.spacing_mm, _SPACING_MM)):
            raise SpecError(f"--spacing {told}: the weights know 0.5 to 3 mm along x and y, 0.5 to 5 mm along z")
        field = min(voxels * one for voxels, one in zip(self.shape[:2], self.spacing_mm))
        if field < _LEAST_FIELD_MM:
            raise SpecError(
                f"--shape {size} at --spacing {told} shows {field:g} mm: the weights know axial "
                f"fields of view of {_LEAST_FIELD_MM:g} mm and more, and give noise for less"
            )
        return self


def convert(preset: str, files: Files, out: Path, *, wanted: Wanted) -> Path:
    """Write the public weights as a checkpoint of medbench.

    Args:
        preset: whose networks these are.
        files: the public files.
        out: the safetensors file.
        wanted: what is generated.

    Raises:
        SpecError: no such preset, or a shape or spacing that the networks have not seen.
        DataError: the networks cannot halve the shape as often as they do; the message names the nearest.
        CheckpointError: a file is damaged, holds code, or is of another network.
        StorageError: the file cannot be written.
    """
    network = preset_of(_MODEL, PRESETS, preset).network
    require_divisible(wanted.checked().shape, network.multiple)
    unet, factor = read_unet(files.unet, network)
    states: dict[str, Weights] = {
        "autoencoder": read_autoencoder(files.autoencoder, network.autoencoder),
        "unet": unet,
    }
    if files.controlnet is not None:
        states["controlnet"] = read_controlnet(files.controlnet, network)
    description = Description(
        model=_MODEL,
        preset=preset,
        network=network if "controlnet" in states else network.model_copy(update={"controlnet": None}),
        scale_factor=factor,
        shape=wanted.shape,
        affine=tuple(map(tuple, np.diag([*wanted.spacing_mm, 1.0]).tolist())),
        regions=wanted.regions,
        seed=0,
        steps={},
        scores={},
        trained_on=0,
        saw=(*UNET_SAW, *FROZEN_SAW[preset]),
        autoencoder=sha256_of(files.autoencoder),
        converted_from={f"{name}_sha256": sha256_of(path) for name, path in vars(files).items() if path is not None},
    )
    save(out, states, description, stored="float32")
    return out


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: exit code 2 and one line on stderr where something is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    wanted = Wanted(*(getattr(options, field.name) for field in fields(Wanted)))
    try:
        out = options.out or CHECKPOINTS_PT.path(options.preset)
        path = convert(options.preset, _files(options), out, wanted=wanted)
    except MedbenchError as error:
        parser.exit(error.exit_code, f"medbench: {error}\n")
    sys.stdout.write(f"checkpoint: {path}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m medbench_models.maisi.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("files of NV-Generate-CT; default: what 'medbench weights fetch' brought")
    for field in fields(Files):
        files.add_argument(f"--{field.name}", type=Path)
    parser.add_argument("--preset", default="rflow", help="ddpm (version 1) or rflow (version 2, the default)")
    stated = parser.add_argument_group("what is generated where no label map says it")
    stated.add_argument("--shape", type=triple(int), help="voxels; default: 512x512x128")
    stated.add_argument("--spacing", type=triple(float), dest="spacing_mm", help="mm; default: 0.7x0.7x2.5")
    stated.add_argument(
        "--regions", nargs=2, choices=REGIONS, help="uppermost and lowest region, of ddpm; default: chest chest"
    )
    parser.set_defaults(**asdict(Wanted()))
    parser.add_argument("--out", type=Path, help="the safetensors file; default: where medbench looks for it")
    return parser


def _files(options: argparse.Namespace) -> Files:
    given = {field.name: getattr(options, field.name) for field in fields(Files)}
    public = CHECKPOINTS_PT.published.get(options.preset, {})
    if given["autoencoder"] is None or given["unet"] is None:
        if not public:
            raise SpecError(f"no weights of the preset {options.preset!r} are published: give --autoencoder and --unet")
        try:
            given |= {name: file.locate() for name, file in public.items() if given[name] is None}
        except Unavailable as reason:
            raise SpecError(str(reason)) from reason
    return Files(**given)


if __name__ == "__main__":
    main()
