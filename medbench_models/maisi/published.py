"""MAISI's weights: NVIDIA's files on the hub, and the checkpoints that are shipped or made of those."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from medbench.generators.base import TrainingData
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

# What public weights saw. Source: generation/maisi/data/README.md of Project-MONAI/tutorials.
_AUTOENCODER_SAW: Final = tuple(
    TrainingData(name, part="autoencoder", note=f"{count} volumes")
    for name, count in (
        ("LIDC-IDRI", 450), ("NLST", 31_801), ("CT Images in COVID-19", 722), ("COVID-19-NY-SBU", 2644),
        ("CT Colonography", 1522), ("MSD Task03", 104),
    )
)  # fmt: skip
_OTHER_SEEDS: Final = TrainingData("phantoms of other seeds", part="autoencoder", note="400000 to 400335, in no split")
UNET_SAW: Final = tuple(
    TrainingData(name, part="U-Net and ControlNet", note=note)
    for name, note in (
        ("LIDC-IDRI", "422 volumes"), ("NLST", "3109 volumes, the U-Net only"), ("COVID-19-NY-SBU", "1258 volumes"),
        ("CT Colonography", "1437 volumes"), ("TotalSegmentator", "654 volumes"), ("VerSe", "179 volumes"),
        ("autoPET", "200 volumes, the U-Net only"), ("AbdomenCT-1K", "789 volumes"), ("AMOS22", "240 volumes"),
    )
)  # fmt: skip
FROZEN_SAW: Final = {"tiny": (_OTHER_SEEDS,), **dict.fromkeys(("paper", "ddpm", "rflow"), _AUTOENCODER_SAW)}

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
