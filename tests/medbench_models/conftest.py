"""A MedLoRD that trains in seconds, cases for it, and golden outputs of GANs on slabs."""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medbench.datasets.base import Case, Split
from medbench.imaging.volume import LabelMap, Volume
from medbench_models.medlord import presets
from medbench_models.medlord.config import MedLoRDConfig, NetworkConfig
from medbench_models.shared.config import SamplingConfig, SlabGanConfig, VqganConfig
from medbench_models.shared.slab_gan.networks import Pyramid, pyramid

DATA = Path(__file__).parents[1] / "data"
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


@dataclass(frozen=True)
class SlabGolden:
    """One case of the golden outputs of HA-GAN or its kin; see tests/data/README.md.

    Args:
        model: the folder of its data.
        case: its name.
        names: of the networks: ours by those of the public checkpoints.
        configure: makes the architecture of the case's configuration.
    """

    model: str
    case: str
    names: Mapping[str, str] = field(hash=False)
    configure: Callable[[dict[str, Any]], SlabGanConfig]

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(DATA / self.model / f"{self.case}.npz") as stored:
            return dict(stored)

    @cached_property
    def stored(self) -> dict[str, dict]:
        return json.loads((DATA / self.model / "statedicts.json").read_text(encoding="utf-8"))[self.case]

    @property
    def size(self) -> int:
        return self.stored["config"]["size"]

    @property
    def config(self) -> SlabGanConfig:
        config = {"channel": 32, "latent": 1024, "d_channel": 512, "num_class": 0} | self.stored["config"]
        return self.configure(config)

    @property
    def grids(self) -> Pyramid:
        return pyramid(self.config, [self.size] * 3)

    def fill(self, network: torch.nn.Module, net: str) -> None:
        """Give a network the weights of the case, and hold them against their sums."""
        state = {key: self._weight(net, key, value.shape) for key, value in network.state_dict().items()}
        for key, value in state.items():
            np.testing.assert_allclose(float(value.double().sum()), self.stored[net][key][1], rtol=1e-5, atol=1e-4)
        network.load_state_dict(state)

    def _weight(self, net: str, key: str, shape: tuple[int, ...]) -> torch.Tensor:
        x = self._draw(f"{self.model}/{self.case}/{net}:{key}", shape)
        leaf = key.rpartition(".")[2]
        if leaf.startswith("sv"):
            x = np.ones(shape)
        elif leaf[0] != "u" and len(shape) > 1:
            x *= np.sqrt(2 / np.prod(shape[1:]))
        elif leaf[0] != "u":
            x = 1 + 0.1 * x if leaf == "weight" else 0.1 * x
        return torch.from_numpy(x.astype(np.float32))

    def normal(self, name: str, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self._draw(f"{self.model}/{self.case}:input:{name}", shape).astype(np.float32))

    def uniform(self, name: str, *shape: int) -> torch.Tensor:
        seed = zlib.crc32(f"{self.model}/{self.case}:input:{name}".encode())
        return torch.from_numpy(np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32))

    @staticmethod
    def _draw(text: str, shape: tuple[int, ...]) -> np.ndarray:
        chance = np.random.RandomState(zlib.crc32(text.encode()))
        return chance.standard_normal(np.prod(shape, dtype=int)).reshape(shape)

    @staticmethod
    def close(found: torch.Tensor, wanted: np.ndarray, *, atol: float = 1e-4) -> None:
        np.testing.assert_allclose(found.detach().numpy(), wanted, atol=atol, rtol=0)

    @staticmethod
    def like(found: torch.Tensor, stats: np.ndarray) -> None:
        """As a whole: mean, standard deviation, sum of magnitudes, lowest, highest."""
        x = found.detach().double()
        values = [float(value) for value in (x.mean(), x.std(), x.abs().sum(), x.min(), x.max())]
        np.testing.assert_allclose(values, stats, rtol=1e-4, atol=1e-5)

    def same_sums(self, networks: Mapping[str, torch.nn.Module], *, rtol: float) -> None:
        """Hold the sums of all weights after the stored iterations against the stored ones."""
        for net, name in self.names.items():
            for key, value in networks[name].state_dict().items():
                total, magnitude = self.arrays[f"steps_after_sum/{net}/{key}"]
                value = value.double()
                sums = [float(value.sum()) - total, float(value.abs().sum()) - magnitude]
                assert np.abs(sums).max() <= rtol * magnitude, (net, key)


@pytest.fixture(scope="session")
def slab_golden() -> type[SlabGolden]:
    return SlabGolden
