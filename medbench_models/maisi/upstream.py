"""MAISI's weights as NVIDIA publishes them: which files hold what, under which names.

| file | holds |
| --- | --- |
| ``autoencoder_v1.pt`` | a bare state dict |
| ``diff_unet_3d_*-ct.pt`` | ``unet_state_dict``, ``scale_factor`` among ``num_train_timesteps``, ``epoch``, ``loss`` |
| ``controlnet_3d_*-ct.pt`` | ``controlnet_state_dict`` among ``epoch``, ``loss`` |

The networks are MONAI's, so that names need no translation. Files are unpickled with ``weights_only``: code in them
never runs. The factor that scales latents is what the U-Net's file says, never a number of ours: with another one
samples are noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from medbench.errors import CheckpointError
from medbench.storage.tensors import read_saved, read_weights, require_same
from medbench_models.maisi.config import AutoencoderConfig, NetworkConfig
from medbench_models.maisi.networks import Autoencoder, Denoiser, build_controlnet
from medbench_models.shared.public_files import Held, is_state

Weights = dict[str, torch.Tensor]
OWN: Final = "autoencoder."  # before the names in a checkpoint of ours


def read_autoencoder(path: Path, config: AutoencoderConfig) -> Weights:
    """Return an autoencoder's weights, from the public file or from a checkpoint of ours.

    Raises:
        CheckpointError: damaged, a pickle with code in it, or of another network.
    """
    if path.suffix == ".safetensors":
        tensors, _ = read_weights(path)
        found = {name.removeprefix(OWN): value for name, value in tensors.items() if name.startswith(OWN)}
    else:
        found = _state(path, read_saved(path))
    with torch.device("meta"):  # only names and shapes are wanted
        wanted = Autoencoder(config).state_dict()
    require_same(wanted, found, path=path, name="MAISI's autoencoder")
    return {name: value.float() for name, value in found.items()}


def read_unet(path: Path, network: NetworkConfig) -> tuple[Weights, float]:
    """Return a U-Net's weights and the factor that scales its latents.

    Raises:
        CheckpointError: damaged, a pickle with code in it, of another network, or without a possible factor.
    """
    document = read_saved(path)
    with torch.device("meta"):
        wanted = Denoiser(network).unet.state_dict()
    found = _state(path, document, "unet_state_dict")
    require_same(wanted, found, path=path, name=f"the U-Net of MAISI's {network.process} version")
    factor = document.get("scale_factor")
    if not isinstance(factor, torch.Tensor | float) or not math.isfinite(float(factor)) or not float(factor) > 0.0:
        raise CheckpointError(f"{path} states no possible scale_factor, without which samples are noise: get it again")
    return found, float(factor)


def held(document: Mapping[str, Any]) -> Iterator[Held]:
    """Yield what a public file may hold."""
    factor = document.get("scale_factor")
    stated = float(factor) if isinstance(factor, torch.Tensor | float) else None
    states = {
        "autoencoder": document,
        "unet": document.get("unet_state_dict"),
        "controlnet": document.get("controlnet_state_dict"),
    }
    for part, state in states.items():
        if is_state(state):
            yield Held(part, state, scale_factor=stated)


def read_controlnet(path: Path, network: NetworkConfig) -> Weights:
    """Return a ControlNet's weights.

    Raises:
        CheckpointError: damaged, a pickle with code in it, or of another network.
    """
    with torch.device("meta"):
        wanted = build_controlnet(network).state_dict()
    found = _state(path, read_saved(path), "controlnet_state_dict")
    require_same(wanted, found, path=path, name=f"the ControlNet of MAISI's {network.process} version")
    return found


def _state(path: Path, document: dict[str, Any], under: str | None = None) -> Weights:
    state = document if under is None else document.get(under)
    if not is_state(state):
        what = "no bare state dict" if under is None else f"no state dict under '{under}'"
        raise CheckpointError(f"{path} holds {what}: it is not the file of MAISI that is wanted")
    return state
