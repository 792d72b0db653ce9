"""Golden outputs of HA-GAN's own networks with what they were made from, and a HA-GAN that trains in seconds."""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench_models.ha_gan import presets
from medbench_models.ha_gan.config import HaganConfig, NetworkConfig
from medbench_models.ha_gan.networks import Networks, build_networks
from medbench_models.shared.config import SlabTrainingConfig
from medbench_models.shared.slab_gan.networks import Pyramid, pyramid

DATA = Path(__file__).parents[2] / "data" / "ha_gan"
NAMES = {"G": "generator", "D": "discriminator", "E": "encoder", "Sub_E": "code_encoder"}


@dataclass(frozen=True)
class Golden:
    """One case of the golden outputs; see tests/data/README.md."""

    case: str

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(DATA / f"{self.case}.npz") as stored:
            return dict(stored)

    @cached_property
    def stored(self) -> dict[str, dict]:
        return json.loads((DATA / "statedicts.json").read_text(encoding="utf-8"))[self.case]

    @property
    def size(self) -> int:
        return self.stored["config"]["size"]

    @property
    def config(self) -> NetworkConfig:
        config = {"channel": 32, "latent": 1024, "d_channel": 512, "num_class": 0} | self.stored["config"]
        width = config["channel"]
        return NetworkConfig(
            latent=config["latent"],
            widths=[width * factor for factor in (16, 16, 8, 4, 2, 1)],
            doublings={128: 3, 256: 4}[self.size],
            critic_width=config["d_channel"],
            classes=config["num_class"],
            code_width=8 * width,
        )

    @property
    def grids(self) -> Pyramid:
        return pyramid(self.config, [self.size] * 3)

    def networks(self) -> Networks:
        """Networks with the weights of the case, in training mode."""
        networks = build_networks(self.config, self.grids)
        for net, name in NAMES.items():
            self.fill(getattr(networks, name), net)
        return networks

    def fill(self, network: torch.nn.Module, net: str) -> None:
        state = {key: self._weight(net, key, value.shape) for key, value in network.state_dict().items()}
        network.load_state_dict(state)

    def _weight(self, net: str, key: str, shape: tuple[int, ...]) -> torch.Tensor:
        x = self._draw(f"ha_gan/{self.case}/{net}:{key}", shape)
        leaf = key.rpartition(".")[2]
        if leaf.startswith("sv"):
            x = np.ones(shape)
        elif leaf[0] != "u" and len(shape) > 1:
            x *= np.sqrt(2 / np.prod(shape[1:]))
        elif leaf[0] != "u":
            x = 1 + 0.1 * x if leaf == "weight" else 0.1 * x
        return torch.from_numpy(x.astype(np.float32))

    def normal(self, name: str, *shape: int) -> torch.Tensor:
        return torch.from_numpy(self._draw(f"ha_gan/{self.case}:input:{name}", shape).astype(np.float32))

    def uniform(self, name: str, *shape: int) -> torch.Tensor:
        seed = zlib.crc32(f"ha_gan/{self.case}:input:{name}".encode())
        return torch.from_numpy(np.random.RandomState(seed).uniform(-1, 1, shape).astype(np.float32))

    def noise(self, batch: int) -> torch.Tensor:
        """The noise of the case, followed by its classes."""
        noise = self.normal("z", batch, self.config.latent)
        classes = self.arrays.get("class_onehot")
        return noise if classes is None else torch.cat([noise, torch.from_numpy(classes)], dim=1)

    @staticmethod
    def _draw(text: str, shape: tuple[int, ...]) -> np.ndarray:
        chance = np.random.RandomState(zlib.crc32(text.encode()))
        return chance.standard_normal(np.prod(shape, dtype=int)).reshape(shape)


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Golden]:
    return Golden


@pytest.fixture
def small() -> HaganConfig:
    """Networks of a few channels on volumes of 16 x 16 x 16 voxels, trained for a few iterations."""
    network = NetworkConfig(
        latent=4, widths=(8, 8, 8, 8, 32, 8), doublings=1, slabs=2, critic_width=32,
        small_critic_width=16, code_width=16,
    )  # fmt: skip
    return HaganConfig(
        follows="a test",
        network=network,
        gan=SlabTrainingConfig(steps=6, batch=2, energy_weight=1.0, ema_decay=0.9),
        cube=None,
    )


@pytest.fixture
def small_preset(small: HaganConfig, monkeypatch: pytest.MonkeyPatch) -> str:
    """The small configuration under the name of the shipped preset."""
    monkeypatch.setitem(presets.PRESETS, "tiny", small)
    return "tiny"
