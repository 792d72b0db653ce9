"""Golden outputs of Med-LSDM's own networks with what they were made from, and a Med-LSDM that trains in seconds."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench_models.med_lsdm import presets
from medbench_models.med_lsdm.config import (
    AutoencoderConfig,
    AutoencoderTraining,
    GuidedSamplingConfig,
    MedLsdmConfig,
    NetworkConfig,
    UnetConfig,
)

DATA = Path(__file__).parents[2] / "data" / "med_lsdm"


@dataclass(frozen=True)
class Golden:
    """The golden outputs; see tests/data/README.md."""

    @cached_property
    def unet(self) -> dict[str, np.ndarray]:
        return self._arrays("unet")

    @cached_property
    def vqgan(self) -> dict[str, np.ndarray]:
        return self._arrays("vqgan")

    @cached_property
    def states(self) -> dict[str, dict]:
        return json.loads((DATA / "statedicts.json").read_text(encoding="utf-8"))

    @staticmethod
    def _arrays(name: str) -> dict[str, np.ndarray]:
        with np.load(DATA / f"{name}.npz") as stored:
            return dict(stored)

    def fill(self, network: torch.nn.Module, tag: str) -> None:
        """Give a network the weights of a tag; what the recipe leaves alone stays."""
        state = network.state_dict()
        network.load_state_dict(state | weights(state, tag))

    def uniform(self, text: str, *shape: int) -> torch.Tensor:
        chance = np.random.RandomState(zlib.crc32(text.encode()))
        return torch.from_numpy(chance.uniform(-1, 1, shape).astype(np.float32))

    def normal(self, text: str, *shape: int) -> torch.Tensor:
        return torch.from_numpy(_draw(text, shape).astype(np.float32))


def weights(state: Mapping[str, torch.Tensor], tag: str) -> dict[str, torch.Tensor]:
    """Return the golden weights for a state's names and shapes."""
    kept = ("freqs", "running_mean", "running_var", "num_batches_tracked")
    return {key: _weight(tag, key, value.shape) for key, value in state.items() if not key.endswith(kept)}


def _weight(tag: str, key: str, shape: tuple[int, ...]) -> torch.Tensor:
    x = _draw(f"{tag}:{key}", shape)
    if len(shape) > 1:
        x *= np.sqrt(2 / np.prod(shape[1:]))
    else:
        x = 1 + 0.1 * x if key.endswith(".weight") else 0.1 * x
    return torch.from_numpy(x.astype(np.float32))


def _draw(text: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.RandomState(zlib.crc32(text.encode())).standard_normal(np.prod(shape, dtype=int)).reshape(shape)


def one_hot(label: np.ndarray, classes: int) -> torch.Tensor:
    """Return the one-hot map (n, classes, ...) of golden labels (n, ...)."""
    found = torch.nn.functional.one_hot(torch.from_numpy(label).long(), classes)
    return found.movedim(-1, 1).float()


@pytest.fixture(scope="session")
def golden() -> Golden:
    return Golden()


@pytest.fixture(scope="session")
def one_hot_map():
    return one_hot


@pytest.fixture
def small() -> MedLsdmConfig:
    """Networks of a few channels, trained for a few steps that pass through every phase."""
    tiny = presets.PRESETS["tiny"]
    network = NetworkConfig(
        autoencoder=AutoencoderConfig(hidden=4, codes=16, norm_groups=4, decay=0.95, window=(16, 16, 8)),
        unet=UnetConfig(
            width=8, multipliers=(1, 2), heads=1, head_channels=8, spade_channels=4, spade_hidden=4,
            encoder_widths=(4, 4), timesteps=50,
        ),
        regions=("left", "right"),
    )  # fmt: skip
    stage1 = tiny.stage1.model_dump() | {"steps": 10, "crop": (16, 16, 8), "batch": 2, "precision": "32-true"}
    stage1 |= {"discriminator_layers": 1, "discriminator_channels": 4, "adversarial_from": 0.6}
    return MedLsdmConfig(
        follows="a test",
        network=network,
        stage1=AutoencoderTraining(**stage1),
        stage2=tiny.stage2.model_copy(update={"steps": 6, "batch": 4, "precision": "32-true"}),
        sampling=GuidedSamplingConfig(sampler="ddim", steps=5, guidance=1.5),
    )


@pytest.fixture
def small_preset(small: MedLsdmConfig, monkeypatch: pytest.MonkeyPatch) -> str:
    """The small configuration under the name of the shipped preset."""
    monkeypatch.setitem(presets.PRESETS, "tiny", small)
    return "tiny"
