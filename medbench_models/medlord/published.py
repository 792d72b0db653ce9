"""MedLoRD's weights: the authors' files on the hub, and the checkpoints that are shipped or made of those."""

from __future__ import annotations

from pathlib import Path

from medbench.storage.weights import WeightFile
from medbench_models.shared.weights import Checkpoints

_REPOSITORY = "AICM-HD/medlord"


def _file(name: str, file: str) -> WeightFile:
    return WeightFile(
        name=f"medlord-{name}", file=file, origin=f"{_REPOSITORY} on the Hugging Face hub", hub=_REPOSITORY,
        license="Apache-2.0 (Cardio-AI/medlord)",
    )  # fmt: skip


CHECKPOINTS = Checkpoints(
    model="medlord",
    folder=Path(__file__).parent,
    published={
        "luna-ds8": {
            "vqvae": _file("luna-ds8-vqgan", "vqgan_luna_ds8.pth"), "unet": _file("luna-ds8-ldm", "ldm_luna_ds8.pth")
        }
    },
    converter="medbench_models.medlord.convert",
)  # fmt: skip
