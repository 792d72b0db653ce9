"""Checkpoints as the trainers of MedLoRD's and VolDiT's public code write them: which weights a file holds.

| written by | holds |
| --- | --- |
| stage 1 | ``model`` among ``epoch``, ``best_loss``, ``discriminator``, ``optimizer_g``, ``optimizer_d`` |
| later stages | ``model`` (raw) and ``ema`` = {decay, shadow}, among ``epoch``, ``optimizer``, ``lr_scheduler`` |
| ``final_model.pth`` | a bare state dict of raw weights |

``shadow`` holds what was trained alone: what is fixed comes from ``model``.

Layout: Cardio-AI/medlord, commit ee9f359; Cardio-AI/voldit, commit 76c7063. Files are unpickled with ``weights_only``:
code in them never runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch

from medbench.errors import CheckpointError
from medbench.storage.tensors import read_saved, require_same

Weights = dict[str, torch.Tensor]
Which = Literal["averaged", "raw"]

# Pattern, replacement: the first that matches a name decides; None drops it.
Rules = Sequence[tuple[str, str | None]]


def weights_in(path: Path, which: Which, *, model: str) -> Weights:
    """Return the weights in a file under their own names.

    Args:
        path: the file.
        which: the moving average, where the file has one, or the ``raw`` weights.
        model: what the file should be a checkpoint of, for the message.

    Raises:
        CheckpointError: damaged, a pickle with code in it, or no state dict.
    """
    document = read_saved(path)
    found = _state(document.get("model", document.get("state_dict", document)), path, model)
    averaged = document.get("ema")
    if which == "averaged" and isinstance(averaged, Mapping) and "shadow" in averaged:
        return found | _state(averaged["shadow"], path, model)
    return found


def fitting(path: Path, wanted: Mapping[str, torch.Tensor], found: Weights, rules: Rules) -> Weights:
    """Return weights under the names that they have here.

    Args:
        path: the file that they came from, for the message.
        wanted: the state dict of the network that they are for.
        found: weights under their own names.
        rules: how names are translated.

    Raises:
        CheckpointError: they are another network's; names are listed.
    """
    weights = dict(_renamed(found.items(), rules))
    require_same(wanted, weights, path=path)
    return weights


def _state(state: Any, path: Path, model: str) -> Weights:
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise CheckpointError(f"{path} holds no state dict, bare or under 'model': it is no checkpoint of {model}")
    return dict(state)


def _renamed(items: Iterable[tuple[str, torch.Tensor]], rules: Rules) -> Iterable[tuple[str, torch.Tensor]]:
    for name, value in items:
        for pattern, replacement in rules:
            if re.match(pattern, name):
                if replacement is not None:
                    yield re.sub(pattern, replacement, name), value
                break
        else:
            yield name, value
