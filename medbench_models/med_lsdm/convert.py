"""Checkpoints of the authors' public code, converted: ``python -m medbench_models.med_lsdm.convert --help``.

What the public files do not hold has to be said:

* the names of the labels, in the order of the numbers 1, 2, ...: label 0 is the background;
* the HU that -1 and 1 stand for: the public code scales each volume by its own minimum and maximum, so that samples
  have no HU of their own, and any window is a guess (-1000 to 1000 unless another is given);
* spacing and orientation of the arrays: 1 mm and LPS unless they are given.

Weights are kept in float32, so that the converted networks give what the public code gives.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from medbench.errors import CheckpointError, MedbenchError, SpecError
from medbench.spec import Window
from medbench.storage.files import sha256_of
from medbench.storage.tensors import require_same
from medbench_models.med_lsdm.checkpoint import MODEL, Description, build_networks
from medbench_models.med_lsdm.config import NetworkConfig
from medbench_models.med_lsdm.presets import PRESETS
from medbench_models.med_lsdm.upstream import read_diffusion, read_vqgan
from medbench_models.med_lsdm.vqgan import TRAINING_ONLY
from medbench_models.shared.arguments import triple
from medbench_models.shared.arrays import require_multiples
from medbench_models.shared.checkpoint import save
from medbench_models.shared.config import preset_of
from medbench_models.shared.public_files import Weights, Which


@dataclass(frozen=True)
class Stated:
    """What the files do not hold.

    Args:
        regions: names of the labels 1, 2, ...
        window: the HU that -1 and 1 stand for.
        shape: voxels (x, y, z) of what is generated; None: as the preset's window.
        spacing_mm: between voxels along x, y, z.
        orientation: where the arrays' axes point, like ``RAS`` or ``LPS``.
    """

    regions: tuple[str, ...]
    window: Window
    shape: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    orientation: str = "LPS"

    def __post_init__(self) -> None:
        if not all(0.0 < value < float("inf") for value in (*self.spacing_mm, *(self.shape or ()))):
            raise SpecError("--shape and --spacing must be positive")
        if not re.fullmatch("[LR][AP][IS]", self.orientation):
            raise SpecError(f"--orientation {self.orientation} is none: give three letters like RAS or LPS")

    @property
    def flipped(self) -> tuple[int, ...]:
        """Axes along which the arrays run against RAS+."""
        return tuple(axis for axis, letter in enumerate(self.orientation) if letter in "LPI")


def convert(
    preset_name: str, diffusion: Path, out: Path, *, vqgan: Path | None, which: Which, stated: Stated
) -> NetworkConfig:
    """Write the public weights as a checkpoint of medbench; return what its networks are.

    Args:
        preset_name: whose networks these are, but for the regions and the kind of decoder.
        diffusion: a file of stage 2.
        out: the safetensors file.
        vqgan: a file of stage 1; None: the VQ-GAN that lies in the file of stage 2.
        which: weights of the U-Net.
        stated: what the files do not hold.

    Raises:
        SpecError: no such preset, or too few or too many labels.
        DataError: a shape that does not suit the networks.
        CheckpointError: a file is damaged, holds code, or is of another network.
        StorageError: the file cannot be written.
    """
    preset = preset_of(MODEL, PRESETS, preset_name).network
    unet, inside, timesteps = read_diffusion(diffusion, which)
    states = {"vqgan": inside if vqgan is None else read_vqgan(vqgan), "unet": unet}
    network = _network(preset, states, timesteps, stated)
    shape = stated.shape or network.autoencoder.window
    require_multiples(shape, network.multiples)
    _require_fit(network, states, {"vqgan": vqgan or diffusion, "unet": diffusion})
    files = {"diffusion": diffusion} | ({} if vqgan is None else {"vqgan": vqgan})
    description = Description(
        model=MODEL,
        preset=preset_name,
        network=network,
        shape=shape,
        affine=tuple(map(tuple, np.diag([*stated.spacing_mm, 1.0]).tolist())),
        seed=0,
        steps={},
        scores={},
        trained_on=0,
        flipped=stated.flipped,
        converted_from={f"{name}_sha256": sha256_of(path) for name, path in files.items()} | {"unet_weights": which},
    )
    save(out, states, description, stored="float32", leave_out=TRAINING_ONLY)
    return network


def _network(preset: NetworkConfig, states: dict[str, Weights], timesteps: int, stated: Stated) -> NetworkConfig:
    spade = "decoder.conv_last_spade.conv.weight" in states["vqgan"]
    first = states["unet"].get("segconv3d.conv1.weight")
    if first is not None and first.shape[1] != len(stated.regions) + 1:
        raise SpecError(
            f"the weights know {first.shape[1] - 1} labels beside the background, and {len(stated.regions)} are named: "
            "name each with --labels"
        )
    return preset.model_copy(
        update={
            "autoencoder": preset.autoencoder.model_copy(update={"spade": spade}),
            "unet": preset.unet.model_copy(update={"timesteps": timesteps}),
            "regions": stated.regions,
            "window": stated.window,
        }
    )


def _require_fit(network: NetworkConfig, states: dict[str, Weights], paths: dict[str, Path]) -> None:
    with torch.device("meta"):  # only names and shapes are wanted
        networks = build_networks(network)
    for name, one in networks.items():
        require_same(one.state_dict(), states[name], path=paths[name], name=f"Med-LSDM's {name}")
    if not bool(states["vqgan"]["codebook.embedding.weight"].std() > 0.0):
        raise CheckpointError(f"{paths['vqgan']} has a codebook of one code: get it again")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: exit code 2 and one line on stderr where something is wrong."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        stated = Stated(
            tuple(options.labels.split(",")), Window(low=options.low, high=options.high), options.shape,
            options.spacing_mm, options.orientation,
        )  # fmt: skip
        network = convert(
            options.preset, options.diffusion, options.out, vqgan=options.vqgan, which=options.weights, stated=stated
        )
    except MedbenchError as error:
        parser.exit(error.exit_code, f"medbench: {error}\n")
    low, high = network.window.low, network.window.high
    sys.stderr.write(f"assumed: {low:g} to {high:g} HU, {stated.orientation} (the files state neither)\n")
    sys.stdout.write(f"checkpoint: {options.out}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m medbench_models.med_lsdm.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("files of the public code")
    files.add_argument("--diffusion", type=Path, required=True, help="of stage 2, sample-K.pt")
    files.add_argument("--vqgan", type=Path, help="of stage 1, as tensors alone; default: the one in --diffusion")
    files.add_argument("--weights", choices=("averaged", "raw"), default="averaged", help="default: averaged")
    stated = parser.add_argument_group("what the files do not hold")
    stated.add_argument("--labels", required=True, metavar="NAME,NAME,..", help="of the labels 1, 2, ..")
    stated.add_argument("--preset", default="slab", help="whose networks they are (default: slab)")
    stated.add_argument("--low", type=float, default=-1000.0, help="HU that -1 stands for; default: -1000")
    stated.add_argument("--high", type=float, default=1000.0, help="HU that 1 stands for; default: 1000")
    stated.add_argument("--shape", type=triple(int), help="voxels; default: those of the preset's windows")
    stated.add_argument("--spacing", type=triple(float), dest="spacing_mm", default=(1.0, 1.0, 1.0), help="mm")
    stated.add_argument("--orientation", type=str.upper, default="LPS", help="of the arrays' axes; default: LPS")
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file")
    return parser


if __name__ == "__main__":
    main()
