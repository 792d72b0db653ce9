"""Weights of the authors' public code under the names that the networks have here; see ``public_files`` for the files.

A transformer's file also holds its fixed positions, which must be those of the latent that it is read for, and a table
of classes, which must be empty. An adapter's file holds the transformer that it was trained on, under ``base_model.``.

Names: Cardio-AI/voldit, commit 76c7063.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import torch

from medbench.errors import CheckpointError
from medbench_models.shared.public_files import Held, Rules, Weights, Which, fitting, renamed, states_in, weights_in
from medbench_models.voldit.config import NetworkConfig
from medbench_models.voldit.dit import Dit

_POSITIONS: Final = "pos_embed"
_CLASSES: Final = "y_embedder.embedding_table.weight"
_BASE: Final = "base_model."
_CODEBOOK: Final = "quantizer.quantizer.embedding.weight"
_SCALES: Final = "adapter_scales."
_SAME: Final = 1e-4

_DIT: Rules = (
    (r"^x_embedder\.proj\.(.*)$", r"patches.\1"),
    (r"^t_embedder\.mlp\.(.*)$", r"time.\1"),
    (r"^(blocks\.\d+)\.attn\.proj\.(.*)$", r"\1.attention.out_proj.\2"),
    (r"^(blocks\.\d+)\.attn\.(to_[qkv])\.(.*)$", r"\1.attention.\2.\3"),
    (r"^(blocks\.\d+)\.mlp\.fc(\d)\.(.*)$", r"\1.mlp.linear\2.\3"),
    (r"^(blocks\.\d+\.)?(?:final_layer\.)?adaLN_modulation\.(.*)$", r"\1modulation.\2"),
    (r"^final_layer\.linear\.(.*)$", r"out.\1"),
)
_ADAPTER: Rules = (
    (r"^adapter_scales\.(\d+)$", r"scales.\1"),
    (r"^condition_embedder\.(conv_in|blocks\.\d+|conv_out)\.conv\.(.*)$", r"embedding.\1.\2"),
    (r"^time_gate\.(.*)$", r"gate.\1"),
)


def held(document: Mapping[str, Any]) -> Iterator[Held]:
    """Yield what a file of the public trainer may hold; an adapter's file holds two networks."""
    for kept, weights in states_in(document).items():
        yield Held("vqvae", weights, kept)
        dit = {name: value for name, value in _under(weights).items() if name not in (_POSITIONS, _CLASSES)}
        yield Held("dit", dict(renamed(_split(dit.items()), _DIT)), kept)
        own = {name: value for name, value in weights.items() if not name.startswith(_BASE)}
        yield Held("adapter", dict(renamed(own.items(), _ADAPTER)), kept)


def with_codes_of(network: NetworkConfig, weights: Mapping[str, torch.Tensor]) -> NetworkConfig:
    """Return a preset's network with as many codes as a VQ-VAE's weights have."""
    if _CODEBOOK not in weights:
        return network
    return network.model_copy(
        update={"vqvae": network.vqvae.model_copy(update={"codebook_size": len(weights[_CODEBOOK])})}
    )


def read_vqvae(path: Path, wanted: Mapping[str, torch.Tensor]) -> Weights:
    """Return the VQ-VAE's weights, which is MedLoRD's.

    Args:
        path: the file of stage 1.
        wanted: the state dict of the network that they are for.

    Raises:
        CheckpointError: damaged, a pickle with code in it, or of another network; names are listed.
    """
    return fitting(path, wanted, weights_in(path, "raw", model="VolDiT"), ())


def read_dit(path: Path, dit: Dit, which: Which = "averaged") -> Weights:
    """Return a transformer's weights, from its own file or from that of an adapter which was trained on it.

    Args:
        path: the file of stage 2, or of stage 3.
        dit: the network that they are for; its positions are compared.
        which: the moving average, where the file has one, or the ``raw`` weights; those under an adapter are what they
            are.

    Raises:
        CheckpointError: damaged, a pickle with code in it, of another size, for another latent, or with classes.
    """
    weights = _under(weights_in(path, which, model="VolDiT"))
    _require_positions(path, weights.pop(_POSITIONS, None), dit.positions)
    if (classes := weights.pop(_CLASSES, None)) is not None and classes.numel():
        raise CheckpointError(f"{path} is a transformer of {len(classes)} classes, which nothing here steers by")
    return fitting(path, dit.state_dict(), dict(_split(weights.items())), _DIT)


def read_adapter(path: Path, wanted: Mapping[str, torch.Tensor]) -> Weights:
    """Return an adapter's averaged weights; those of the transformer under it are left to ``read_dit``.

    Args:
        path: the file of stage 3.
        wanted: the state dict of the network that they are for.

    Raises:
        CheckpointError: damaged, a pickle with code in it, or of another network; names are listed.
    """
    weights = weights_in(path, "averaged", model="VolDiT")
    if not any(name.startswith(_SCALES) for name in weights):
        raise CheckpointError(f"{path} holds no adapter: give the file of a transformer with --dit")
    own = {name: value for name, value in weights.items() if not name.startswith(_BASE)}
    return fitting(path, wanted, own, _ADAPTER)


def codes_in(path: Path) -> int | None:
    """Return how many codes the VQ-VAE in a file has; None where it holds none."""
    codebook = weights_in(path, "raw", model="VolDiT").get(_CODEBOOK)
    return None if codebook is None else len(codebook)


def _under(weights: Weights) -> Weights:
    """Return the weights of the transformer under an adapter; where there is no adapter, all."""
    base = {name.removeprefix(_BASE): value for name, value in weights.items() if name.startswith(_BASE)}
    return base or weights


def _require_positions(path: Path, found: torch.Tensor | None, wanted: torch.Tensor) -> None:
    if found is None:
        raise CheckpointError(f"{path} holds no positions ({_POSITIONS}): it is no transformer of VolDiT")
    if found.shape[1:] != wanted.shape or (found[0].to(wanted) - wanted).abs().max() > _SAME:
        has, needs = (f"{one[-2]} tokens of {one[-1]} numbers" for one in (found.shape, wanted.shape))
        raise CheckpointError(
            f"{path} is of another size or for another latent: it has positions of {has}, and the preset wants {needs} "
            "in its own order: choose another preset or --shape"
        )


def _split(items: Iterable[tuple[str, torch.Tensor]]) -> Iterable[tuple[str, torch.Tensor]]:
    """Yield queries, keys and values of the attention each for itself."""
    for name, value in items:
        if found := re.match(r"^(blocks\.\d+\.attn\.)qkv(\..*)$", name):
            for part, rows in zip(("to_q", "to_k", "to_v"), value.chunk(3)):
                yield f"{found[1]}{part}{found[2]}", rows
        else:
            yield name, value
