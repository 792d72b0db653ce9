"""MAISI's weights: NVIDIA's files on the hub, and the checkpoints that are shipped or made of those."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from medbench.storage.weights import WeightFile
from medbench_models.shared.weights import Checkpoints

_REPOSITORY: Final = "nvidia/NV-Generate-CT"
_FOLDER: Final = Path(__file__).parent

# The two statements contradict each other, and medbench does not settle it.
LICENSE: Final = (
    "contradictory: NVIDIA Open Model License on the hub and in the README of NVIDIA-Medtech/NV-Generate-CTMR; "
    "non-commercial (research and evaluation) in LICENSE.weights there and in the older tutorial. Read both, "
    "and do not pass the files on"
)


def _file(name: str, file: str) -> WeightFile:
    return WeightFile(
        name=f"maisi-{name}", file=f"models/{file}", origin=f"{_REPOSITORY} on the Hugging Face hub", hub=_REPOSITORY,
        license=LICENSE,
    )  # fmt: skip


AUTOENCODER: Final = _file("autoencoder", "autoencoder_v1.pt")

# What MAISI-PT's tiny preset begins with: an autoencoder trained on phantoms that no split of the data set holds, kept
# in the shipped checkpoint; see ``foundation``.
TINY_AUTOENCODER: Final = WeightFile(
    name="maisi-tiny-autoencoder", file="maisi-pt-tiny.safetensors", origin="medbench", license="Apache-2.0",
    shipped=_FOLDER / "maisi-pt-tiny.safetensors",
)  # fmt: skip

FROZEN: Final = {"tiny": TINY_AUTOENCODER, "paper": AUTOENCODER, "ddpm": AUTOENCODER, "rflow": AUTOENCODER}

CHECKPOINTS_ST: Final = Checkpoints(model="maisi-st", folder=_FOLDER)
CHECKPOINTS_PT: Final = Checkpoints(
    model="maisi-pt",
    folder=_FOLDER,
    published={
        version: {
            "autoencoder": AUTOENCODER,
            "unet": _file(f"{version}-unet", f"diff_unet_3d_{version}-ct.pt"),
            "controlnet": _file(f"{version}-controlnet", f"controlnet_3d_{version}-ct.pt"),
        }
        for version in ("ddpm", "rflow")
    },
    converter="medbench_models.maisi.convert",
)
