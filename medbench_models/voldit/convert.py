"""Checkpoints of the authors' public code, converted: ``python -m medbench_models.voldit.convert --help``.

Nothing is fetched by name: the README of Cardio-AI/voldit names the repository AICM-HD/voldit on the Hugging Face hub,
with an autoencoder and an unconditional transformer for LUNA16, but neither its files' names nor their size nor their
licence could be verified. Get them there, read what its page says, and give the files here.

What the files do not hold has to be said:

* the factor that scales latents: a command-line argument of the public code, whose README says 7.87 for a run of its
  own. The right one makes the standard deviation of the latents 1, and another one makes noise of every sample;
* the spacing: the public code stretches every scan to one array and stores no spacing; 1 mm unless it is given;
* the orientation of the arrays: scans are taken as they are stored, and LUNA16 is stored LPS (but for 14 scans).

Training differed in one thing that nothing here undoes: every scan was scaled by its own minimum and maximum after
clipping, so that one which does not reach both -1000 and 1000 HU was stretched. Samples are read in the whole window.

Weights are kept in float32, so that the converted networks give what the public code gives.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from medbench.errors import CheckpointError, SpecError
from medbench.storage.files import sha256_of
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.checkpoint import save
from medbench_models.shared.config import preset_of
from medbench_models.shared.public_files import Weights, Which
from medbench_models.shared.unstated import Unstated, add_unstated, run_converter
from medbench_models.shared.vqvae import TRAINING_ONLY, Vqvae
from medbench_models.voldit.checkpoint import MODEL, Description
from medbench_models.voldit.config import NetworkConfig
from medbench_models.voldit.networks import build_adapter, build_dit
from medbench_models.voldit.presets import PRESETS
from medbench_models.voldit.published import PUBLIC_SAW
from medbench_models.voldit.upstream import codes_in, read_adapter, read_dit, read_vqvae


@dataclass(frozen=True)
class Files:
    """Public checkpoint files.

    Args:
        vqvae: of stage 1.
        dit: of stage 2, or of stage 3, which holds the transformer that its adapter was trained on.
        steered: the second file is of stage 3, and its adapter is wanted.
        which: the transformer's weights that are taken from a file of stage 2.
    """

    vqvae: Path
    dit: Path
    steered: bool = False
    which: Which = "averaged"


def convert(preset_name: str, files: Files, out: Path, *, unstated: Unstated) -> Path:
    """Write the public weights as a checkpoint of medbench.

    Args:
        preset_name: whose networks these are.
        files: the public files.
        out: the safetensors file.
        unstated: what the files do not hold.

    Raises:
        SpecError: no such preset, or impossible settings.
        DataError: the shape does not divide into tokens.
        CheckpointError: a file is damaged, holds code, or is of another network.
        StorageError: the file cannot be written.
    """
    stated = unstated.checked()
    network = _network(preset_of(MODEL, PRESETS, preset_name).network, files, stated)
    require_divisible(stated.shape, network.multiple)
    description = Description(
        model=MODEL,
        preset=preset_name,
        network=network,
        **stated.described,
        saw=PUBLIC_SAW,
        converted_from={
            "vqvae_sha256": sha256_of(files.vqvae),
            "dit_sha256": sha256_of(files.dit),
            "dit_weights": "as under the adapter" if files.steered else files.which,
            **({"adapter_weights": "averaged"} if files.steered else {}),
        },
    )
    save(out, _read(network, files, stated.shape), description, stored="float32", leave_out=TRAINING_ONLY)
    return out


def _network(network: NetworkConfig, files: Files, stated: Unstated) -> NetworkConfig:
    """Return a preset's network as the files have it: the number of codes is theirs."""
    codes = codes_in(files.vqvae)
    if codes is None:
        raise CheckpointError(f"{files.vqvae} holds no codebook: give the file of stage 1 with --vqvae")
    return network.model_copy(
        update={
            "vqvae": network.vqvae.model_copy(update={"codebook_size": codes}),
            "dit": network.dit.model_copy(update={"timesteps": stated.timesteps}),
            "adapter": network.adapter if files.steered else None,
        }
    )


def _read(network: NetworkConfig, files: Files, shape: Sequence[int]) -> dict[str, Weights]:
    with torch.device("meta"):  # only names and shapes are wanted
        vqvae = Vqvae(network.vqvae).state_dict()
        adapter = build_adapter(network).state_dict() if files.steered else None
    found = {
        "vqvae": read_vqvae(files.vqvae, vqvae),
        "dit": read_dit(files.dit, build_dit(network, shape), files.which),
    }
    return found if adapter is None else found | {"adapter": read_adapter(files.dit, adapter)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; see ``run_converter``."""
    run_converter(_parser(), arguments, _converted)


def _converted(options: argparse.Namespace, unstated: Unstated) -> Path:
    if (options.dit is None) == (options.adapter is None):
        raise SpecError("give --dit, or --adapter, whose file holds the transformer that it was trained on")
    files = Files(options.vqvae, options.dit or options.adapter, options.adapter is not None, options.dit_weights)
    return convert(options.preset, files, options.out, unstated=unstated)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m medbench_models.voldit.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    files = parser.add_argument_group("files of the public code")
    files.add_argument("--vqvae", type=Path, required=True, help="of stage 1")
    files.add_argument("--dit", type=Path, help="of stage 2")
    files.add_argument("--adapter", type=Path, help="of stage 3, in place of --dit")
    files.add_argument(
        "--dit-weights", choices=("averaged", "raw"), default="averaged", help="of stage 2; default: averaged"
    )
    parser.add_argument(
        "--preset", default="paper", help="the transformer's size, like l4 (default: paper, which is l4)"
    )
    add_unstated(parser, scale_factor=None)
    parser.add_argument("--out", type=Path, required=True, help="the safetensors file")
    return parser


if __name__ == "__main__":
    main()
