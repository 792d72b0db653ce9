"""Files in the layout of the public ones, with weights of ours."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from medbench.errors import CheckpointError
from medbench_models.maisi.config import MaisiConfig
from medbench_models.maisi.networks import Autoencoder, Denoiser, build_controlnet
from medbench_models.maisi.upstream import read_autoencoder, read_controlnet, read_unet


@pytest.fixture
def unet(small: MaisiConfig) -> dict[str, Any]:
    """What the U-Net's file holds."""
    torch.manual_seed(0)
    state = Denoiser(small.network).unet.state_dict()
    about = {"epoch": 3, "loss": 0.1, "num_train_timesteps": 1000}
    return {"unet_state_dict": state, "scale_factor": torch.tensor(1.25), **about}


def saved(path: Path, document: object) -> Path:
    torch.save(document, path)
    return path


def test_the_factor_comes_from_the_unets_file(small: MaisiConfig, unet: dict[str, Any], tmp_path: Path) -> None:
    weights, factor = read_unet(saved(tmp_path / "unet.pt", unet), small.network)
    assert factor == 1.25
    assert weights.keys() == unet["unet_state_dict"].keys()


@pytest.mark.parametrize("factor", [None, torch.tensor(float("nan")), torch.tensor(0.0), "1.25"])
def test_without_a_factor_nothing_is_read(
    small: MaisiConfig, unet: dict[str, Any], tmp_path: Path, factor: object
) -> None:
    path = saved(tmp_path / "unet.pt", {**unet, "scale_factor": factor})
    with pytest.raises(CheckpointError, match=r"unet\.pt states no possible scale_factor"):
        read_unet(path, small.network)


def test_another_versions_weights_are_refused_by_name(small: MaisiConfig, unet: dict[str, Any], tmp_path: Path) -> None:
    """Upstream reads them without being strict, and goes on with what it drew by chance."""
    first = small.network.unet.model_copy(update={"include_fc": False, "resblock_updown": False, "classes": None})
    network = small.network.model_copy(update={"unet": first})
    with pytest.raises(CheckpointError, match=r"does not fit the U-Net of MAISI's rflow version: .* unexpected"):
        read_unet(saved(tmp_path / "unet.pt", unet), network)


def test_the_other_files(small: MaisiConfig, tmp_path: Path) -> None:
    autoencoder = Autoencoder(small.network.autoencoder).state_dict()
    found = read_autoencoder(saved(tmp_path / "autoencoder.pt", autoencoder), small.network.autoencoder)
    assert all(torch.equal(found[name], value) for name, value in autoencoder.items())
    controlnet = build_controlnet(small.network).state_dict()
    path = saved(tmp_path / "controlnet.pt", {"controlnet_state_dict": controlnet, "epoch": 1})
    assert read_controlnet(path, small.network).keys() == controlnet.keys()
    with pytest.raises(CheckpointError, match="holds no state dict under 'controlnet_state_dict'"):
        read_controlnet(tmp_path / "autoencoder.pt", small.network)
    with pytest.raises(CheckpointError, match="holds no bare state dict"):
        read_autoencoder(path, small.network.autoencoder)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)


def test_code_in_a_file_never_runs(small: MaisiConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bomb.pt"
    path.write_bytes(pickle.dumps({"unet_state_dict": Bomb()}, protocol=2))
    with pytest.raises(CheckpointError, match=r"bomb\.pt"):
        read_unet(path, small.network)
    assert not (tmp_path / "exploded").exists()
