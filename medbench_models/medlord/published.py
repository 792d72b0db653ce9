"""Weights of the presets: the authors' files on the hub, and the checkpoints that are shipped or made of those."""

from __future__ import annotations

from pathlib import Path

from medbench.errors import Unavailable
from medbench.storage.home import home
from medbench.storage.weights import WeightFile

_REPOSITORY = "AICM-HD/medlord"


def _file(name: str, file: str) -> WeightFile:
    return WeightFile(
        name=f"medlord-{name}", file=file, origin=f"{_REPOSITORY} on the Hugging Face hub", hub=_REPOSITORY,
        license="Apache-2.0 (Cardio-AI/medlord)",
    )  # fmt: skip


# By preset and network.
PUBLISHED = {
    "luna-ds8": {
        "vqvae": _file("luna-ds8-vqgan", "vqgan_luna_ds8.pth"), "unet": _file("luna-ds8-ldm", "ldm_luna_ds8.pth")
    }
}  # fmt: skip


def checkpoint_of(preset: str) -> Path:
    """Return where a preset's own weights lie, once they are here: shipped, or converted from public ones."""
    if preset in PUBLISHED:
        return home() / "weights" / f"medlord-{preset}.safetensors"
    return Path(__file__).with_name(f"{preset}.safetensors")


def how_to_have(preset: str) -> str:
    """Return the commands that are still missing until a preset's own weights are here.

    Raises:
        MissingExtraError: the environment names a file that does not exist.
        CheckpointError: a file that is here is not the one that was fetched.
    """
    if preset not in PUBLISHED:
        return f"train them with `medbench fit --model medlord --preset {preset} --dataset ...` and pass --checkpoint"
    commands = [f"medbench weights fetch {one.name}" for one in PUBLISHED[preset].values() if not _here(one)]
    commands.append(f"python -m medbench_models.medlord.convert --preset {preset}")
    return "run " + ", then ".join(f"'{command}'" for command in commands)


def _here(weights: WeightFile) -> bool:
    try:
        weights.locate()
    except Unavailable:
        return False
    return True
