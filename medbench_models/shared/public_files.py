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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from medbench.errors import CheckpointError
from medbench.storage.tensors import read_saved, require_same

Weights = dict[str, torch.Tensor]
Which = Literal["averaged", "raw"]


@dataclass(frozen=True)
class Held:
    """Weights that a public file may hold.

    Args:
        part: the network that they may be.
        weights: under the names that this network has here.
        kept: moving average or raw.
        scale_factor: of latents, where the file states it.
    """

    part: str
    weights: Mapping[str, torch.Tensor]
    kept: Which = "raw"
    scale_factor: float | None = None


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
    states = states_in(read_saved(path))
    if "raw" not in states:
        raise CheckpointError(f"{path} holds no state dict, bare or under 'model': it is no checkpoint of {model}")
    return states.get(which, states["raw"])


def states_in(document: Mapping[str, Any]) -> dict[Which, Weights]:
    """Return the weights in a file's document, the moving average first; nothing where one of them is no state dict."""
    raw = document.get("model", document.get("state_dict", document))
    averaged = document.get("ema")
    if averaged is None:
        return {"raw": dict(raw)} if is_state(raw) else {}
    shadow = averaged.get("shadow") if isinstance(averaged, Mapping) else None
    if not is_state(raw) or not is_state(shadow):
        return {}
    return {"averaged": {**raw, **shadow}, "raw": dict(raw)}


def held_in(document: Mapping[str, Any], rules: Mapping[str, Rules]) -> Iterator[Held]:
    """Yield what a file may hold, by part: under the names that this part's network has here."""
    for kept, weights in states_in(document).items():
        for part, translated in rules.items():
            yield Held(part, dict(renamed(weights.items(), translated)), kept)


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
    weights = dict(renamed(found.items(), rules))
    require_same(wanted, weights, path=path)
    return weights


def is_state(state: Any) -> bool:
    """Say whether a document is a state dict: tensors by name, and nothing else."""
    return isinstance(state, Mapping) and all(isinstance(value, torch.Tensor) for value in state.values())


def renamed(items: Iterable[tuple[str, torch.Tensor]], rules: Rules) -> Iterable[tuple[str, torch.Tensor]]:
    """Yield tensors under the names that they have here."""
    for name, value in items:
        for pattern, replacement in rules:
            if re.match(pattern, name):
                if replacement is not None:
                    yield re.sub(pattern, replacement, name), value
                break
        else:
            yield name, value
