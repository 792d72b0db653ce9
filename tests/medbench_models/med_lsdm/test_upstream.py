"""Files in the layout of the public code."""

import datetime
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from medbench.errors import CheckpointError
from medbench_models.med_lsdm.checkpoint import build_networks
from medbench_models.med_lsdm.config import NetworkConfig
from medbench_models.med_lsdm.upstream import read_diffusion, read_vqgan

_THEIRS = {
    "codebook.embedding.weight": "codebook.embeddings",
    "codebook.ema_cluster_size": "codebook.N",
    "codebook.ema_w": "codebook.z_avg",
}


def public_files(folder: Path, network: NetworkConfig) -> tuple[Path, Path, dict[str, dict[str, torch.Tensor]]]:
    """Write a file of each stage as the public code does; return both and the weights."""
    torch.manual_seed(0)
    states = {name: dict(one.state_dict()) for name, one in build_networks(network).items()}
    vqgan = {_THEIRS.get(name, name): value for name, value in states["vqgan"].items()}
    judged = vqgan | {"image_discriminator.model0.0.weight": torch.zeros(1), "perceptual_model.lin0": torch.zeros(1)}
    raw = {f"denoise_fn.{name}": value for name, value in states["unet"].items()}
    raw |= {f"vqgan.{name}": value for name, value in judged.items()} | {"betas": torch.zeros(50)}
    averaged = raw | {name: value + 1.0 for name, value in raw.items() if name.startswith("denoise_fn.")}
    first, second = folder / "vqgan.pt", folder / "sample-7.pt"
    torch.save({"state_dict": judged, "epoch": 3}, first)
    torch.save({"step": 7, "model": raw, "ema": averaged, "scaler": {}}, second)
    return first, second, states


def same(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], offset: float = 0.0) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[k], wanted[k] + offset) for k in wanted)


def test_both_files_give_their_networks(small, tmp_path: Path) -> None:
    first, second, states = public_files(tmp_path, small.network)
    assert same(read_vqgan(first), states["vqgan"])
    unet, vqgan, timesteps = read_diffusion(second, "averaged")
    assert same(unet, states["unet"], 1.0)
    assert same(vqgan, states["vqgan"])
    assert timesteps == 50
    assert same(read_diffusion(second, "raw")[0], states["unet"])


def test_objects_beside_the_tensors_are_not_loaded_and_the_line_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    torch.save({"state_dict": {}, "hyper_parameters": datetime.datetime(2026, 1, 1)}, path)
    with pytest.raises(CheckpointError, match=r"code and not loaded: where you trust .* weights_only=False") as caught:
        read_vqgan(path)
    assert "\n" not in str(caught.value)


def test_files_of_another_kind_are_named(small, tmp_path: Path) -> None:
    first, _, _ = public_files(tmp_path, small.network)
    with pytest.raises(CheckpointError, match="no entry 'ema': it is no checkpoint of Med-LSDM's stage 2"):
        read_diffusion(first, "averaged")
    torch.save({"ema": {"vqgan.a": torch.zeros(1)}}, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match="no diffusion model with its schedule"):
        read_diffusion(tmp_path / "b.pt", "averaged")
    torch.save({"ema": 3}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="no state dict"):
        read_diffusion(tmp_path / "c.pt", "averaged")
