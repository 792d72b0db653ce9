"""Weights of the authors' public code under the names that the networks have here; see ``public_files`` for the files.

Names: Cardio-AI/medlord, commit ee9f359.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from medbench.errors import CheckpointError
from medbench_models.shared.public_files import Held, Rules, Weights, Which, fitting, held_in, weights_in

# Upstream's attention never applies the projection it stores.
_UNET: Rules = (
    (r"^(.*attentions?(?:\.\d+)?)\.proj_attn\.(weight|bias)$", None),
    (r"^(.*attentions?(?:\.\d+)?)\.(to_[qkv])\.(weight|bias)$", r"\1.attn.\2.\3"),
    (r"^(up_blocks\.\d+\.upsampler)\.conv\.conv\.(weight|bias)$", r"\1.postconv.conv.\2"),
    (r"^out\.1\.conv\.(weight|bias)$", r"out.2.conv.\1"),
)
_CONTROLNET: Rules = (
    (r"^conv_in\.conv\.(weight|bias)$", r"conv_in.\1"),
    (r"^controlnet_cond_embedding\.(conv_in|blocks\.\d+)\.conv\.(weight|bias)$", r"embedding.\1.\2"),
    (r"^controlnet_cond_embedding\.conv_out\.(weight|bias)$", r"embedding.conv_out.\1"),
    (r"^controlnet_down_blocks\.(\d+)\.(weight|bias)$", r"projections.\1.\2"),
    (r"^controlnet_mid_block\.(weight|bias)$", r"middle_projection.\1"),
    (r"^(.*)\.to_out\.0\.(weight|bias)$", r"\1.out_proj.\2"),
    *_UNET[:2],
)
_RULES: dict[str, Rules] = {"vqvae": (), "unet": _UNET, "controlnet": _CONTROLNET}


# First width and number of levels of the U-Nets among the public configurations.
_UNETS = {(64, 4): "medlord", (128, 3): "medlord_3level", (128, 4): "medlord_wide"}


def held(document: Mapping[str, Any]) -> Iterator[Held]:
    """Yield what a file of the public trainer may hold."""
    return held_in(document, _RULES)


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
    weights = weights_in(path, which, model="MedLoRD")
    found, expected = _size(weights), _size(wanted)
    if network == "unet" and found is not None and found != expected:
        raise CheckpointError(
            f"{path} holds the U-Net of {_told(found)}, and the preset has that of {_told(expected)}: choose a preset "
            "with the same U-Net"
        )
    return fitting(path, wanted, weights, _RULES[network])


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
