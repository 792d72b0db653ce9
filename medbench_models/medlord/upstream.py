"""Checkpoints as the authors' public code writes them: which weights they hold, under which names.

| written by | holds |
| --- | --- |
| stage 1 | ``model`` among ``epoch``, ``best_loss``, ``discriminator``, ``optimizer_g``, ``optimizer_d`` |
| stages 2 and 3 | ``model`` (raw) and ``ema`` = {decay, shadow}, among ``epoch``, ``optimizer``, ``lr_scheduler`` |
| ``final_model.pth`` | a bare state dict of raw weights |

Layout and names: Cardio-AI/medlord, commit ee9f359. Files are unpickled with ``weights_only``: code in them never runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch

from medbench.errors import CheckpointError
from medbench.storage.tensors import read_saved, require_same

Weights = dict[str, torch.Tensor]
Which = Literal["averaged", "raw"]

# Pattern, replacement: the first that matches a name decides; None drops it.
_Rules = Sequence[tuple[str, str | None]]

# Upstream's attention never applies the projection it stores.
_UNET: _Rules = (
    (r"^(.*attentions?(?:\.\d+)?)\.proj_attn\.(weight|bias)$", None),
    (r"^(.*attentions?(?:\.\d+)?)\.(to_[qkv])\.(weight|bias)$", r"\1.attn.\2.\3"),
    (r"^(up_blocks\.\d+\.upsampler)\.conv\.conv\.(weight|bias)$", r"\1.postconv.conv.\2"),
    (r"^out\.1\.conv\.(weight|bias)$", r"out.2.conv.\1"),
)
_CONTROLNET: _Rules = (
    (r"^conv_in\.conv\.(weight|bias)$", r"conv_in.\1"),
    (r"^controlnet_cond_embedding\.(conv_in|blocks\.\d+)\.conv\.(weight|bias)$", r"embedding.\1.\2"),
    (r"^controlnet_cond_embedding\.conv_out\.(weight|bias)$", r"embedding.conv_out.\1"),
    (r"^controlnet_down_blocks\.(\d+)\.(weight|bias)$", r"projections.\1.\2"),
    (r"^controlnet_mid_block\.(weight|bias)$", r"middle_projection.\1"),
    (r"^(.*)\.to_out\.0\.(weight|bias)$", r"\1.out_proj.\2"),
    *_UNET[:2],
)
_RULES = {"vqvae": (), "unet": _UNET, "controlnet": _CONTROLNET}


# First width and number of levels of the U-Nets among the public configurations.
_UNETS = {(64, 4): "medlord", (128, 3): "medlord_3level", (128, 4): "medlord_wide"}


def read(network: str, path: Path, wanted: Mapping[str, torch.Tensor], which: Which = "averaged") -> Weights:
    """Return a network's weights under the names that it has here.

    Args:
        network: ``vqvae``, ``unet`` or ``controlnet``.
        path: ``vqgan_luna_ds8.pth``, ``ldm_luna_ds8.pth``, or any checkpoint of the public trainer.
        wanted: the state dict of the network that they are for.
        which: the moving average, where the file has one (upstream samples with it), or the ``raw`` weights (upstream
            trains and samples ControlNets with the U-Net's).

    Raises:
        CheckpointError: damaged, a pickle with code in it, or of another network; names are listed, and a U-Net of
            another public configuration is named.
    """
    weights = _weights(path, which)
    found, expected = _size(weights), _size(wanted)
    if network == "unet" and found is not None and found != expected:
        raise CheckpointError(
            f"{path} holds the U-Net of {_told(found)}, and the preset has that of {_told(expected)}: choose a preset "
            "with the same U-Net"
        )
    return _matching(path, wanted, weights, _RULES[network])


def _size(weights: Mapping[str, torch.Tensor]) -> tuple[int, int] | None:
    """Return a U-Net's first width and number of levels; None where the names are not a U-Net's."""
    levels = {name.split(".")[1] for name in weights if name.startswith("down_blocks.")}
    first = weights.get("conv_in.conv.weight")
    return None if first is None or not levels else (len(first), len(levels))


def _told(size: tuple[int, int] | None) -> str:
    if size is None:
        return "no known configuration"
    name = _UNETS.get(size, "no public one")
    return f"the configuration {name} ({size[1]} levels, {size[0]} channels at first)"


def _weights(path: Path, which: Which) -> Weights:
    document = read_saved(path)
    averaged = document.get("ema")
    if which == "averaged" and isinstance(averaged, Mapping) and "shadow" in averaged:
        document = averaged["shadow"]
    else:
        document = document.get("model", document.get("state_dict", document))
    if not isinstance(document, Mapping) or not all(isinstance(value, torch.Tensor) for value in document.values()):
        raise CheckpointError(f"{path} holds no state dict, bare or under 'model': it is no checkpoint of MedLoRD")
    return dict(document)


def _matching(path: Path, wanted: Mapping[str, torch.Tensor], found: Weights, rules: _Rules) -> Weights:
    weights = dict(_renamed(found.items(), rules))
    require_same(wanted, weights, path=path)
    return weights


def _renamed(items: Iterable[tuple[str, torch.Tensor]], rules: _Rules) -> Iterable[tuple[str, torch.Tensor]]:
    for name, value in items:
        for pattern, replacement in rules:
            if re.match(pattern, name):
                if replacement is not None:
                    yield re.sub(pattern, replacement, name), value
                break
        else:
            yield name, value
