"""Checkpoints of the authors' public code, converted: ``python -m medbench_models.medlord.convert --help``.

What the public files do not hold has to be said, and has the defaults of the public code's configuration ``medlord``:

* the factor that scales latents (1.11) and the length of the noise schedule (300): which ones belong to the published
  weights is stated nowhere, and neither can be read off the weights;
* the spacing: the public code stretches every scan to one array and stores no spacing; 1 mm unless it is given;
* the orientation of the arrays: the public code takes scans as they are stored, and LUNA16 is stored LPS (but for 14
  scans), so that samples are turned to RAS+.

Weights are kept in float32, so that the converted networks give what the public code gives.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from medbench.errors import SpecError, Unavailable
from medbench.storage.files import sha256_of
from medbench_models.medlord.checkpoint import MODEL, Description
from medbench_models.medlord.config import NetworkConfig
from medbench_models.medlord.networks import build_controlnet, build_unet
from medbench_models.medlord.presets import PRESETS
from medbench_models.medlord.published import CHECKPOINTS
from medbench_models.medlord.upstream import read
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.checkpoint import save
from medbench_models.shared.config import preset_of
from medbench_models.shared.public_files import Weights, Which
from medbench_models.shared.unstated import Unstated, add_unstated, run_converter
from medbench_models.shared.vqvae import TRAINING_ONLY, Vqvae

SCALE_FACTOR: Final = 1.11  # the default of the public code's configuration medlord


@dataclass(frozen=True)
class Files:
    """Public checkpoint files.

    Args:
        vqvae: of stage 1.
        unet: of stage 2.
        controlnet: of stage 3; None where there is none.
        unet_weights: which weights of the U-Net to take; None: those that the public code samples with, which are the
            raw ones for a ControlNet (it was trained on them) and else the averaged ones.
    """

    vqvae: Path
    unet: Path
    controlnet: Path | None = None
    unet_weights: Which | None = None

    @property
    def which(self) -> Which:
        """The U-Net's weights that are taken."""
        return self.unet_weights or ("averaged" if self.controlnet is None else "raw")

    @property
    def paths(self) -> dict[str, Path]:
        """The files by network."""
        named = {"vqvae": self.vqvae, "unet": self.unet, "controlnet": self.controlnet}
        return {name: path for name, path in named.items() if path is not None}


def convert(preset_name: str, files: Files, out: Path, *, unstated: Unstated) -> Path:
    """Write the public weights as a checkpoint of medbench.

    Args:
        preset_name: whose networks these are.
        files: the public files.
        out: the safetensors file.
        unstated: what the files do not hold.

    Raises:
        SpecError: no such preset, impossible settings, or a ControlNet for a preset without one.
        DataError: the networks cannot halve the shape as often as they do.
        CheckpointError: a file is damaged, holds code, or is of another network.
        StorageError: the file cannot be written.
    """
    network = preset_of(MODEL, PRESETS, preset_name).network
    stated = unstated.checked()
    require_divisible(stated.shape, network.multiple)
    states = _read(network, files)
    network = network.model_copy(
        update={
            "unet": network.unet.model_copy(update={"timesteps": stated.timesteps}),
            "controlnet": network.controlnet if "controlnet" in states else None,
        }
    )
    description = Description(
        model=MODEL,
        preset=preset_name,
        network=network,
        **stated.described,
        converted_from={f"{name}_sha256": sha256_of(path) for name, path in files.paths.items()}
        | {"unet_weights": files.which},
    )
    save(out, states, description, stored="float32", leave_out=TRAINING_ONLY)
    return out


def _read(network: NetworkConfig, files: Files) -> dict[str, Weights]:
    if files.controlnet is not None and network.controlnet is None:
        raise SpecError("this preset has no ControlNet: leave out --controlnet")
    with torch.device("meta"):  # only names and shapes are wanted
        networks = {"vqvae": Vqvae(network.vqvae), "unet": build_unet(network.unet, network.vqvae.codebook_dim)}
        if files.controlnet is not None:
            networks["controlnet"] = build_controlnet(network)
    which: dict[str, Which] = {"vqvae": "raw", "unet": files.which, "controlnet": "averaged"}
    return {name: read(name, files.paths[name], one.state_dict(), which[name]) for name, one in networks.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; see ``run_converter``."""
    run_converter(_parser(), arguments, _converted)


def _converted(options: argparse.Namespace, unstated: Unstated) -> Path:
    files = Files(*_files(options), options.controlnet, options.unet_weights)
    return convert(options.preset, files, options.out or CHECKPOINTS.path(options.preset), unstated=unstated)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m medbench_models.medlord.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("files of the public code")
    files.add_argument("--vqvae", type=Path, help="of stage 1; default: what 'medbench weights fetch' brought")
    files.add_argument("--unet", type=Path, help="of stage 2; default: likewise")
    files.add_argument("--controlnet", type=Path, help="of stage 3")
    files.add_argument(
        "--unet-weights", choices=("averaged", "raw"), help="default: averaged; raw where there is a ControlNet"
    )
    parser.add_argument("--preset", default="luna-ds8", help="whose networks they are (default: luna-ds8)")
    add_unstated(parser, scale_factor=SCALE_FACTOR)
    parser.add_argument("--out", type=Path, help="the safetensors file; default: where medbench looks for it")
    return parser


def _files(options: argparse.Namespace) -> tuple[Path, Path]:
    if options.vqvae is not None and options.unet is not None:
        return options.vqvae, options.unet
    if options.preset not in CHECKPOINTS.published:
        raise SpecError(f"no weights of the preset {options.preset!r} are published: give --vqvae and --unet")
    files = CHECKPOINTS.published[options.preset]
    try:
        return options.vqvae or files["vqvae"].locate(), options.unet or files["unet"].locate()
    except Unavailable as reason:
        raise SpecError(str(reason)) from reason


if __name__ == "__main__":
    main()
