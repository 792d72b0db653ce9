"""Golden outputs of VolDiT's public classes with their weights, and a VolDiT that trains in seconds."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.shared.config import SamplingConfig
from medbench_models.voldit import presets
from medbench_models.voldit.adapter import Steered, TokenAdapter
from medbench_models.voldit.config import AdapterConfig, DitConfig, NetworkConfig, VolDiTConfig
from medbench_models.voldit.dit import Dit
from medbench_models.voldit.upstream import read_adapter, read_dit

DATA = Path(__file__).parents[2] / "data" / "voldit"
LATENT = (8, 8, 4)


class Golden:
    """Networks at a tiny size as the public code has them; see tests/data/voldit/README.md."""

    adapters: ClassVar[dict[str, AdapterConfig]] = {
        "p2_all": AdapterConfig(masks=(("a",),)),
        "p2_last1_ch2": AdapterConfig(masks=(("a",), ("b",)), blocks=1),
        "p4_all": AdapterConfig(masks=(("a",),)),
    }

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.manifest = json.loads((DATA / "manifest.json").read_text(encoding="utf-8"))

    def arrays(self, name: str, prefix: str) -> dict[str, torch.Tensor]:
        with np.load(DATA / f"{name}.npz") as stored:
            keys = [key for key in stored.files if key.startswith(f"{prefix}/")]
            return {key.removeprefix(f"{prefix}/"): torch.from_numpy(stored[key]) for key in keys}

    def config(self, patch: int) -> DitConfig:
        return DitConfig(patch=patch, width=48, depth=2, heads=3)

    def empty_dit(self, patch: int) -> Dit:
        return Dit(self.config(patch), [size // patch for size in LATENT], 8).eval()

    def public_dit(self, patch: int) -> dict[str, torch.Tensor]:
        """The state dict under the public names."""
        return self._drawn(f"dit_p{patch}") | {"pos_embed": self.arrays("dit_io", f"p{patch}")["pos_embed"]}

    def public_adapter(self, name: str) -> dict[str, torch.Tensor]:
        """The adapter's state dict under the public names, with the transformer under it."""
        base = self.public_dit(int(name[1]))
        return self._drawn(f"tgca_{name}") | {f"base_model.{key}": value for key, value in base.items()}

    def dit(self, patch: int) -> Dit:
        dit = self.empty_dit(patch)
        dit.load_state_dict(read_dit(self.saved(self.public_dit(patch)), dit))
        return dit

    def steered(self, name: str) -> Steered:
        patch = int(name[1])
        path, dit = self.saved(self.public_adapter(name)), self.empty_dit(patch)
        dit.load_state_dict(read_dit(path, dit))
        adapter = TokenAdapter(self.adapters[name], self.config(patch)).eval()
        adapter.load_state_dict(read_adapter(path, adapter.state_dict()))
        return Steered(adapter, dit)

    def saved(self, document: Mapping[str, object]) -> Path:
        path = self.scratch / "public.pth"
        torch.save(dict(document), path)
        return path

    def _drawn(self, network: str) -> dict[str, torch.Tensor]:
        tag, listed = f"voldit/{network}", self.manifest[network]["state_dict"]
        return {key: _weight(tag, key, facts["shape"]) for key, facts in listed.items() if key != "pos_embed"}


def _weight(tag: str, key: str, shape: list[int]) -> torch.Tensor:
    source = np.random.RandomState(zlib.crc32(f"{tag}:{key}".encode()))
    drawn = source.standard_normal(int(np.prod(shape))).reshape(shape)
    if drawn.ndim > 1:
        gain = 4.0 if drawn.ndim == 5 and tag.startswith("voldit/tgca") else 1.0
        drawn = drawn * np.sqrt(gain / np.prod(shape[1:]))
    elif key.startswith("adapter_scales"):
        drawn = 0.5 + 0.1 * drawn
    elif tag.startswith("voldit/dit") and key.endswith("weight"):
        drawn = 1.0 + 0.1 * drawn
    else:
        drawn = 0.1 * drawn
    return torch.from_numpy(drawn.astype(np.float32))


@pytest.fixture
def golden(tmp_path: Path) -> Golden:
    return Golden(tmp_path)


@pytest.fixture
def small_voldit(small: MedLoRDConfig) -> VolDiTConfig:
    """Networks of a few channels, trained for a few steps, the VQ-VAE among them."""
    short = {"steps": 6, "batch": 4, "precision": "32-true"}
    tiny = presets.PRESETS["tiny"]
    return tiny.model_copy(
        update={
            "network": NetworkConfig(
                vqvae=small.network.vqvae,
                dit=DitConfig(patch=2, width=24, depth=2, heads=2, timesteps=50),
                adapter=AdapterConfig(masks=(("left", "right"),), channels=(2, 4, 4, 4), tuned=1),
            ),
            "stage1": small.stage1,
            "stage2": tiny.stage2.model_copy(update=short),
            "stage3": tiny.stage3.model_copy(update=short | {"mask_dropout": 0.1}),
            "sampling": SamplingConfig(sampler="ddim", steps=5),
        }
    )


@pytest.fixture
def small_name(small_voldit: VolDiTConfig, monkeypatch: pytest.MonkeyPatch) -> str:
    """The small configuration under the name of a published one."""
    monkeypatch.setitem(presets.PRESETS, "xs2", small_voldit)
    return "xs2"
