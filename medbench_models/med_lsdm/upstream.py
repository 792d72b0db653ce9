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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from medbench.errors import CheckpointError
from medbench.storage.tensors import read_saved
from medbench_models.shared.public_files import Held, Rules, Weights, Which, is_state, renamed

_VQGAN: Final[Rules] = (
    (r"^(image_discriminator|video_discriminator|perceptual_model)\.", None),  # of the training of stage 1
    (r"^codebook\.embeddings$", "codebook.embedding.weight"),
    (r"^codebook\.N$", "codebook.ema_cluster_size"),
    (r"^codebook\.z_avg$", "codebook.ema_w"),
)
_ENTRIES: Final[Mapping[Which, str]] = {"averaged": "ema", "raw": "model"}


def held(document: Mapping[str, Any]) -> Iterator[Held]:
    """Yield what a file of either stage may hold."""
    stage1 = document.get("state_dict", document)
    if is_state(stage1):
        yield Held("vqgan", dict(renamed(stage1.items(), _VQGAN)))
    for kept, entry in _ENTRIES.items():
        state = document.get(entry)
        if is_state(state):
            yield Held("unet", _below(state, "denoise_fn."), kept)
            yield Held("vqgan", dict(renamed(_below(state, "vqgan.").items(), _VQGAN)))


def read_vqgan(path: Path) -> Weights:
    """Return a VQ-GAN's weights under the names that they have here, from a file of stage 1.

    Raises:
        CheckpointError: damaged, with code in it, or without a state dict.
    """
    document = _read(path)
    return dict(renamed(_state(path, document.get("state_dict", document)).items(), _VQGAN))


def read_diffusion(path: Path, which: Which) -> tuple[Weights, Weights, int]:
    """Return a U-Net's weights, its VQ-GAN's, and the steps of its schedule, from a file of stage 2.

    Args:
        path: the file.
        which: the moving average, which the public code samples with, or the raw weights.

    Raises:
        CheckpointError: damaged, with code in it, or without such weights.
    """
    document = _read(path)
    entry = _ENTRIES[which]
    if entry not in document:
        raise CheckpointError(f"{path} has no entry '{entry}': it is no checkpoint of Med-LSDM's stage 2")
    state = _state(path, document[entry])
    unet, vqgan = _below(state, "denoise_fn."), _below(state, "vqgan.")
    if not unet or "betas" not in state:
        raise CheckpointError(f"{path} holds no diffusion model with its schedule: give a file of stage 2")
    return unet, dict(renamed(vqgan.items(), _VQGAN)), len(state["betas"])


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


def _below(state: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _state(path: Path, state: Any) -> Weights:
    if not is_state(state):
        raise CheckpointError(f"{path} holds no state dict: it is no checkpoint of Med-LSDM")
    return dict(state)
