"""A MAISI that trains in seconds, and the golden outputs of MONAI's classes."""

from __future__ import annotations

import functools
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.datasets.base import Case, Split
from medbench.imaging.volume import LabelMap, Volume
from medbench_models.maisi import presets
from medbench_models.maisi.config import (
    AutoencoderConfig,
    ControlNetConfig,
    MaisiConfig,
    NetworkConfig,
    UnetConfig,
)

GOLDEN = Path(__file__).parents[2] / "data" / "maisi"
AFFINE = np.diag([5.0, 5.0, 6.0, 1.0])
LABELS = {1: "lung_left", 2: "lung_right", 3: "body"}


@pytest.fixture(scope="session")
def golden() -> Callable[[str], dict[str, torch.Tensor]]:
    """Return the arrays of a golden file by its name, as tensors."""

    @functools.cache
    def read(file: str) -> dict[str, torch.Tensor]:
        with np.load(GOLDEN / file) as arrays:
            return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}

    return read


@pytest.fixture
def fill_golden() -> Callable[[torch.nn.Module, str], torch.nn.Module]:
    """Give a network the weights of a golden one, by its name; names and shapes must be the same."""
    manifest = json.loads((GOLDEN / "manifest.json").read_text(encoding="utf-8"))

    def fill(network: torch.nn.Module, name: str) -> torch.nn.Module:
        wanted = manifest[name]["state_dict"]
        state = {key: _generated(f"maisi/{name}:{key}", about["shape"]) for key, about in wanted.items()}
        for key, about in wanted.items():
            assert float(state[key].double().abs().sum()) == pytest.approx(about["abs_sum"], rel=1e-5)
        network.load_state_dict(state, strict=True)
        return network.eval()

    return fill


def _generated(key: str, shape: list[int]) -> torch.Tensor:
    old = np.random.RandomState(zlib.crc32(key.encode()))  # the golden weights were drawn by it
    values = old.standard_normal(int(np.prod(shape))).reshape(shape)
    if len(shape) > 1:
        values = values * np.sqrt(1.0 / np.prod(shape[1:]))
    else:
        values = 1.0 + 0.1 * values if key.endswith(".weight") else 0.1 * values
    return torch.from_numpy(values.astype(np.float32))


@pytest.fixture
def golden_network() -> Callable[[str], NetworkConfig]:
    """Return the architecture of the golden networks of a version, ``ddpm`` or ``rflow``."""

    def network(process: str) -> NetworkConfig:
        second = process == "rflow"
        return NetworkConfig(
            process=process,
            autoencoder=AutoencoderConfig(channels=(8, 16, 16), res_blocks=(1, 1, 1), norm_groups=8),
            unet=UnetConfig(
                channels=(8, 16, 16), res_blocks=1, attention=(False, False, True), head_channels=(0, 0, 8),
                norm_groups=8, body_regions=not second, classes=128 if second else None, resblock_updown=second,
                include_fc=second,
            ),
            controlnet=ControlNetConfig(embedding_channels=(4, 8, 8)),
        )  # fmt: skip

    return network


@pytest.fixture
def small() -> MaisiConfig:
    """Networks of a few channels, trained for a few steps."""
    tiny = presets.PRESETS["tiny"]
    network = NetworkConfig(
        process="rflow",
        autoencoder=AutoencoderConfig(channels=(4, 4, 8), res_blocks=(0, 1, 1), norm_groups=2),
        unet=tiny.network.unet.model_copy(update={"channels": (8, 8), "norm_groups": 4}),
        controlnet=ControlNetConfig(embedding_channels=(2, 4, 4)),
    )
    stage1 = {"steps": 6, "crop": (16, 16, 8), "batch": 2, "precision": "32-true", "adversarial_from": 0.5}
    short = {"steps": 4, "batch": 3, "precision": "32-true"}
    return tiny.model_copy(
        update={
            "network": network,
            "stage1": tiny.stage1.model_copy(update={**stage1, "discriminator_layers": 1, "discriminator_channels": 4}),
            "stage2": tiny.stage2.model_copy(update=short),
            "stage3": tiny.stage3.model_copy(update=short),
            "steps": 3,
        }
    )


@pytest.fixture
def small_preset(small: MaisiConfig, monkeypatch: pytest.MonkeyPatch) -> str:
    """The small configuration under the name of the shipped preset."""
    for known in (presets.PRESETS, presets.PRESETS_PT):
        monkeypatch.setitem(known, "tiny", small)
    return "tiny"


@pytest.fixture
def make_cases() -> Callable[[Split, int], list[Case]]:
    """Cases of 16 x 16 x 16 voxels with smooth random contents, two lungs and a body."""

    def make(split: Split, count: int) -> list[Case]:
        cases = []
        for index in range(count):
            rng = np.random.default_rng([index, len(split)])
            voxels = np.cumsum(rng.normal(0, 120, (16, 16, 16)), axis=0).clip(-1000, 1000).astype(np.int16)
            volume = Volume(voxels, AFFINE)
            regions = (np.arange(16)[:, None, None] // 6 + 1 + 0 * voxels).astype(np.uint8)
            labels = LabelMap(regions, AFFINE, dict(LABELS))
            name = f"{split}-{index}"
            cases.append(Case(name, split, name, lambda volume=volume: volume, lambda labels=labels: labels))
        return cases

    return make
