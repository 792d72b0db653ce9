"""Checkpoints as the authors' public code writes them: which weights they hold, under which names.

| written by | holds |
| --- | --- |
| stage 1 (Lightning, ``.ckpt``) | ``state_dict`` and, in ``hyper_parameters``, an OmegaConf object: code, not loaded |
| stage 2 (``sample-K.pt``) | ``model`` and ``ema``, each with ``denoise_fn.``, the schedule and the whole ``vqgan.`` |

A file of stage 2 therefore holds all that sampling needs. Files are unpickled with ``weights_only``: code in them never
runs.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import torch

from medbench.errors import CheckpointError
from medbench.storage.tensors import read_saved

Weights = dict[str, torch.Tensor]
Which = Literal["averaged", "raw"]

_CODEBOOK: Final = {
    "codebook.embeddings": "codebook.embedding.weight",
    "codebook.N": "codebook.ema_cluster_size",
    "codebook.z_avg": "codebook.ema_w",
}
# What only the training of stage 1 needs.
_JUDGES: Final = ("image_discriminator.", "video_discriminator.", "perceptual_model.")


def read_vqgan(path: Path) -> Weights:
    """Return a VQ-GAN's weights under the names that they have here, from a file of stage 1.

    Raises:
        CheckpointError: damaged, with code in it, or without a state dict.
    """
    document = _read(path)
    return _vqgan(_state(path, document.get("state_dict", document)))


def read_diffusion(path: Path, which: Which) -> tuple[Weights, Weights, int]:
    """Return a U-Net's weights, its VQ-GAN's, and the steps of its schedule, from a file of stage 2.

    Args:
        path: the file.
        which: the moving average, which the public code samples with, or the raw weights.

    Raises:
        CheckpointError: damaged, with code in it, or without such weights.
    """
    document = _read(path)
    entry = {"averaged": "ema", "raw": "model"}[which]
    if entry not in document:
        raise CheckpointError(f"{path} has no entry '{entry}': it is no checkpoint of Med-LSDM's stage 2")
    state = _state(path, document[entry])
    unet, vqgan = _below(state, "denoise_fn."), _below(state, "vqgan.")
    if not unet or "betas" not in state:
        raise CheckpointError(f"{path} holds no diffusion model with its schedule: give a file of stage 2")
    return unet, _vqgan(vqgan), len(state["betas"])


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_saved(path)
    except CheckpointError as error:
        if not isinstance(error.__cause__, pickle.UnpicklingError):
            raise
        keep = f"torch.save(torch.load('{path}', weights_only=False)['state_dict'], 'vqgan.pt')"
        raise CheckpointError(
            f"{path} holds objects beside its tensors (Lightning keeps OmegaConf's), which are code and not loaded: "
            f'where you trust the file, keep its tensors alone by `python -c "import torch; {keep}"`, and give vqgan.pt'
        ) from error


def _vqgan(state: Mapping[str, torch.Tensor]) -> Weights:
    kept = {name: value for name, value in state.items() if not name.startswith(_JUDGES)}
    return {_CODEBOOK.get(name, name): value for name, value in kept.items()}


def _below(state: Mapping[str, torch.Tensor], prefix: str) -> Weights:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _state(path: Path, state: object) -> Weights:
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no state dict: it is no checkpoint of Med-LSDM")
    return state
