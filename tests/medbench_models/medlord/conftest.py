"""A MedLoRD that trains in seconds, and cases for it."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from medbench.dataset import Case, Split
from medbench.volume import Volume
from medbench_models.medlord import config
from medbench_models.medlord.config import MedLoRDConfig, NetworkConfig, Stage1Config, Stage2Config

AFFINE = np.diag([5.0, 5.0, 6.0, 1.0])


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
    tiny = config.PRESETS["tiny"]
    vqvae = tiny.network.vqvae.model_copy(update={"channels": (4, 8), "codebook_size": 16})
    unet = tiny.network.unet.model_copy(update={"channels": (8, 8), "timesteps": 50})
    stage1 = tiny.stage1.model_dump() | {"steps": 10, "crop": (16, 16, 8), "batch": 2, "precision": "32-true"}
    stage1 |= {"discriminator_layers": 1, "discriminator_channels": 4, "adversarial_from": 0.6}
    stage2 = tiny.stage2.model_dump() | {"steps": 6, "batch": 4, "precision": "32-true"}
    return MedLoRDConfig(
        network=NetworkConfig(vqvae=vqvae, unet=unet),
        stage1=Stage1Config(**stage1),
        stage2=Stage2Config(**stage2),
        ddim_steps=5,
    )


@pytest.fixture
def small_preset(small: MedLoRDConfig, monkeypatch: pytest.MonkeyPatch) -> str:
    """The small configuration under the name of the shipped preset."""
    monkeypatch.setitem(config.PRESETS, "tiny", small)
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
            name = f"{split}-{index}"
            cases.append(Case(id=name, split=split, patient=name, read_volume=lambda volume=volume: volume))
        return cases

    return make
