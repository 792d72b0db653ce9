"""The examination of a weight file, before an hour of sampling shows what is wrong with it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from medbench.errors import CheckpointError, DataError
from medbench.generators.base import GeneratorInfo
from medbench.generators.examination import Examination, Part
from medbench.storage.files import sha256_of
from medbench.storage.tensors import (
    differences,
    impossible,
    read_description,
    read_saved,
    read_stored,
    read_tensors,
)
from medbench.training.attention import best_backend
from medbench_models.shared.attention import attention_blocks
from medbench_models.shared.blueprint import Blueprint
from medbench_models.shared.checkpoint import Description, describe, differing, is_saved
from medbench_models.shared.config import preset_of
from medbench_models.shared.public_files import Held
from medbench_models.shared.weights import Checkpoints

Weights = Mapping[str, torch.Tensor]

_THE_SAME = (0.0, 0)
_NOTHING_ALIKE = (1.0, 0)


@dataclass(frozen=True)
class Model:
    """A model whose files are examined.

    Args:
        info: its declaration.
        presets: its configurations.
        checkpoints: where its weights lie.
        blueprint: what its files must hold.
        device: that samples are to be made on.
    """

    info: GeneratorInfo
    presets: Mapping[str, Any]
    checkpoints: Checkpoints
    blueprint: Blueprint
    device: str

    def part(self, name: str, network: nn.Module | None, found: Weights, kept: str, *, public: bool) -> Part:
        """Return what a file holds of one network; None: the model has none of that name."""
        leave_out = () if public else self.blueprint.leave_out
        state = {} if network is None else network.state_dict()
        wanted = {key: value for key, value in state.items() if key not in leave_out}
        numbers = [value for value in found.values() if value.is_floating_point() and value.numel()]
        return Part(
            name,
            tensors=len(found),
            numbers=sum(value.numel() for value in found.values()),
            types=tuple(sorted({str(value.dtype).removeprefix("torch.") for value in found.values()})),
            largest=max((float(value.nan_to_num(0.0, 0.0, 0.0).abs().max()) for value in numbers), default=None),
            kept=kept,
            attention=None if network is None else self._attention(network),
            faults={**differences(wanted, found), **impossible(found)},
        )

    def _attention(self, network: nn.Module) -> str | None:
        if any(True for _ in attention_blocks(network)):
            return best_backend(self.device)
        return "sdpa" if any(isinstance(one, self.blueprint.attention) for one in network.modules()) else None


def examine(model: Model, file: Path, preset: str | None) -> Examination:
    """Return what a file holds.

    Args:
        model: whose file it should be.
        file: a checkpoint, or a file of the public trainer.
        preset: the one to hold it against; None: the one that it fits best.

    Raises:
        SpecError: no such preset.
        CheckpointError: the file cannot be read, holds code, is another model's, or has nothing of this one.
    """
    if preset is not None:
        preset_of(model.info.name, model.presets, preset)
    if is_saved(file):
        return _of_public_file(model, file, read_saved(file), preset)
    if file.suffix == ".safetensors" and file.is_file() and read_description(file) is None:
        return _of_public_file(model, file, read_tensors(file), preset)
    return _of_checkpoint(model, file, preset)


def _of_checkpoint(model: Model, file: Path, preset: str | None) -> Examination:
    tensors, document = read_stored(file, model=model.info.name)
    description = describe(file, model.blueprint.described, document)
    network, converted = description.network, bool(description.converted_from)
    others = {
        name: differing(network, model.blueprint.as_stored(config.network, network))
        for name, config in model.presets.items()
    }
    presets = tuple(name for name, other in others.items() if not other)
    own = description.preset if description.preset in presets or not presets else presets[0]
    chosen = preset or own
    factor = getattr(description, "scale_factor", None)
    faults = []
    if chosen not in presets:
        other = others.get(chosen, "network")
        faults.append(f"made by the preset {description.preset!r} with another {other} configuration than {chosen!r}")
    if factor is not None and not (math.isfinite(factor) and factor > 0.0):
        faults.append(f"the scale factor {factor} is impossible")
    try:
        networks = model.blueprint.built(network, description.shape)
    except DataError as error:
        raise CheckpointError(f"{file} describes what cannot be: {error}") from error
    found = _by_part(tensors)
    declared = _is_own(model, file, own) or (converted and own in model.checkpoints.published)
    return Examination(
        file=file,
        model=model.info.name,
        layout="medbench",
        preset=chosen,
        presets=presets,
        parts=tuple(
            model.part(name, networks.get(name), found.get(name, {}), _kept(model, description, name), public=False)
            for name in {**networks, **found}
        ),
        scale_factor=factor if factor is None or math.isfinite(factor) else None,
        scale_factor_is=_origin(model, factor, stated=not converted),
        license=_license(model.info) if declared else None,
        trained_on=description.saw or (model.info.trained_on.get(own) if declared else None),
        faults=tuple(faults),
    )


def _of_public_file(model: Model, file: Path, document: Mapping[str, Any], preset: str | None) -> Examination:
    blueprint, info = model.blueprint, model.info
    if blueprint.public is None:
        raise CheckpointError(f"{file} was not written by medbench, and no public files of {info.name} are known")
    candidates = list(blueprint.public(document))
    networks = {name: _networks(model, name, candidates) for name in model.presets}
    unlike = {
        name: [_unlikeness(network, held) for network, held in zip(made, candidates)] for name, made in networks.items()
    }
    asked = [preset] if preset else sorted(model.presets, key=lambda name: name not in model.checkpoints.published)
    chosen = min(asked, key=lambda name: min(unlike[name], default=_NOTHING_ALIKE))
    best = min(unlike[chosen], default=_NOTHING_ALIKE)
    if best >= _NOTHING_ALIKE:
        raise CheckpointError(
            f"{file} holds nothing that {info.name} samples with: its networks know none of the names"
        )
    taken: dict[str, int] = {}  # the best candidate for each part; several parts only where all fit
    for number, distance in enumerate(unlike[chosen]):
        if distance == best and (best == _THE_SAME or not taken):
            taken.setdefault(candidates[number].part, number)
    kept = {part: dict.fromkeys(one.kept for one in candidates if one.part == part) for part in taken}
    stated = next((candidates[number].scale_factor for number in taken.values()), None)
    factor = blueprint.assumed_scale_factor if stated is None else stated
    published = chosen in model.checkpoints.published
    return Examination(
        file=file,
        model=info.name,
        layout="public",
        preset=chosen,
        presets=tuple(
            name for name, found in unlike.items() if all(found[number] == _THE_SAME for number in taken.values())
        ),
        parts=tuple(
            model.part(part, networks[chosen][at], candidates[at].weights, " and ".join(kept[part]), public=True)
            for part, at in taken.items()
        ),
        scale_factor=factor,
        scale_factor_is=_origin(model, factor, stated=stated is not None),
        license=_license(info) if published else None,
        trained_on=info.trained_on.get(chosen) if published else None,
        convert=" ".join(
            ["python -m", str(model.checkpoints.converter), "--preset", chosen, f"--{[*taken][-1]}", str(file)]
            + ([blueprint.needed] if blueprint.needed else [])
        ),
    )


def _networks(model: Model, preset: str, candidates: Sequence[Held]) -> list[nn.Module | None]:
    """Return the network that each candidate is held against; None where the preset has none of that part."""
    blueprint, shape, network = model.blueprint, model.info.shape_of(preset), model.presets[preset].network
    built = functools.cache(functools.partial(blueprint.built, public=True))
    return [built(blueprint.as_public(network, held.weights), shape).get(held.part) for held in candidates]


def _unlikeness(network: nn.Module | None, held: Held) -> tuple[float, int]:
    """Return the share of the names that only one of both has, and the number of tensors of another shape."""
    wanted = {} if network is None else network.state_dict()
    names = wanted.keys() | held.weights.keys()
    other = differences(wanted, held.weights).get("of another shape", ())
    return len(wanted.keys() ^ held.weights.keys()) / max(1, len(names)), len(other)


def _by_part(tensors: Weights) -> dict[str, dict[str, torch.Tensor]]:
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for name, value in tensors.items():
        part, _, key = name.partition(".")
        parts.setdefault(part, {})[key] = value
    return parts


def _kept(model: Model, description: Description[Any], part: str) -> str:
    """Say whether weights are a moving average, by what a converter wrote down or by the preset that trained them."""
    if description.converted_from:
        return description.converted_from.get(f"{part}_weights", "raw")
    config = model.presets.get(description.preset)
    training = getattr(config, model.blueprint.stages.get(part, ""), None)
    return "averaged" if getattr(training, "ema_decay", 0.0) > 0.0 else "raw"


def _origin(model: Model, factor: float | None, *, stated: bool) -> Literal["stated", "assumed"] | None:
    if factor is None:
        return None
    return "stated" if stated or model.blueprint.assumed_scale_factor is None else "assumed"


def _is_own(model: Model, file: Path, preset: str) -> bool:
    """Say whether a file is what comes with medbench for a preset."""
    shipped = model.checkpoints.path(preset)
    return (
        preset not in model.checkpoints.published
        and shipped.is_file()
        and shipped.stat().st_size == file.stat().st_size
        and sha256_of(shipped) == sha256_of(file)
    )


def _license(info: GeneratorInfo) -> str:
    return info.license.partition("; ")[2] or info.license
