"""VolDiT's weights: those that are shipped, where a frozen VQ-VAE comes from, and what public ones saw."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from medbench.generators.base import TrainingData
from medbench.storage.weights import WeightFile
from medbench_models.medlord.published import CHECKPOINTS as MEDLORD
from medbench_models.shared.weights import Checkpoints

# Stated by the README of Cardio-AI/voldit, commit 76c7063; neither file names nor the licence could be verified.
PUBLIC_SAW: Final = (TrainingData("luna", note="LUNA16; which of its scans is not published"),)

TINY_VQVAE: Final = WeightFile(
    name="voldit-tiny-vqvae", file="medlord-tiny.safetensors", origin="medbench", license="Apache-2.0",
    shipped=MEDLORD.path("tiny"),
)  # fmt: skip

# The VQ-VAE of presets that do not train one.
FROZEN: Final = {"tiny": TINY_VQVAE}
FROZEN_SAW: Final = {"tiny": (TrainingData("phantom", part="VQ-VAE (MedLoRD's)", note="train split"),)}

CHECKPOINTS: Final = Checkpoints(
    model="voldit",
    folder=Path(__file__).parent,
    converter="medbench_models.voldit.convert",
    elsewhere=(
        "get the files of the autoencoder and of the transformer (for LUNA16) from AICM-HD/voldit on the Hugging Face "
        "hub (their names, size and licence could not be verified: read its page), and run 'python -m "
        "medbench_models.voldit.convert --help'"
    ),
)
