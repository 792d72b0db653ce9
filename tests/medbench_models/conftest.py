"""A MedLoRD that trains in seconds, and cases for it."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from medbench.datasets.base import Case, Split
from medbench.imaging.volume import LabelMap, Volume
from medbench_models.medlord import presets
from medbench_models.medlord.config import MedLoRDConfig, NetworkConfig
from medbench_models.shared.config import SamplingConfig, VqganConfig

AFFINE = np.diag([5.0, 5.0, 6.0, 1.0])
LABELS = {1: "left", 2: "right"}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are slower with more threads, much slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def small() -> MedLoRDConfig:
    """Networks of a few channels, trained for a few steps that pass through every phase."""
    tiny = presets.PRESETS["tiny"]
    vqvae = tiny.network.vqvae.model_copy(update={"channels": (4, 8), "codebook_size": 16})
    unet = tiny.network.unet.model_copy(update={"channels": (8, 8), "timesteps": 50})
    stage1 = tiny.stage1.model_dump() | {"steps": 10, "crop": (16, 16, 8), "batch": 2, "precision": "32-true"}
    stage1 |= {"discriminator_layers": 1, "discriminator_channels": 4, "adversarial_from": 0.6}
    short = {"steps": 6, "batch": 4, "precision": "32-true"}
    controlnet = tiny.network.controlnet.model_copy(
        update={"regions": ("left", "right"), "embedding_channels": (2, 4), "norm_groups": 2, "head_channels": (2, 2)}
    )
    return MedLoRDConfig(
        follows="a test",
        network=NetworkConfig(vqvae=vqvae, unet=unet, controlnet=controlnet),
        stage1=VqganConfig(**stage1),
        stage2=tiny.stage2.model_copy(update=short),
        stage3=tiny.stage3.model_copy(update=short),
        sampling=SamplingConfig(sampler="ddim", steps=5),
    )


@pytest.fixture
def small_preset(small: MedLoRDConfig, monkeypatch: pytest.MonkeyPatch) -> str:
    """The small configuration under the name of the shipped preset."""
    monkeypatch.setitem(presets.PRESETS, "tiny", small)
    return "tiny"


@pytest.fixture
def make_cases() -> Callable[[Split, int], list[Case]]:
    """Cases of 16 x 16 x 16 voxels with smooth random contents."""

    def make(split: Split, count: int) -> list[Case]:
        cases = []
        for index in range(count):
            rng = np.random.default_rng([index, len(split)])
            voxels = np.cumsum(rng.normal(0, 120, (16, 16, 16)), axis=0).clip(-1000, 1000).astype(np.int16)
            volume = Volume(voxels, AFFINE)
            labels = LabelMap((np.arange(16)[:, None, None] // 8 + 1 + 0 * voxels).astype(np.uint8), AFFINE, LABELS)
            name = f"{split}-{index}"
            cases.append(Case(name, split, name, lambda volume=volume: volume, lambda labels=labels: labels))
        return cases

    return make
