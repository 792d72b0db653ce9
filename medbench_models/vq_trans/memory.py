"""The memory that VQ-Trans needs on a GPU, predicted from its own code; see ``medbench.budget.prediction``."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch

from medbench.budget.prediction import Prediction, predict_peak
from medbench.generators.base import Stage
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared import vqvae_memory
from medbench_models.shared.arrays import require_divisible
from medbench_models.shared.gan import require_crops
from medbench_models.shared.precision import built_as_sampled
from medbench_models.shared.vqvae_memory import empty_vqvae, predict_encoding, predict_vqgan
from medbench_models.vq_trans.autoregression import step_sequences
from medbench_models.vq_trans.config import NetworkConfig, VqTransConfig
from medbench_models.vq_trans.networks import build_transformer
from medbench_models.vq_trans.transformer import Cache, Transformer

Shape = Sequence[int]


def predict(config: VqTransConfig, stage: Stage, shape: Shape, *, limit_bytes: float = math.inf) -> Prediction:
    """Return the prediction of a whole stage: of its heaviest part, since the parts run one after the other.

    Args:
        config: a preset.
        stage: ``fit`` or ``sample``.
        shape: voxels (x, y, z) of the data; a preset that resamples them is predicted at its own.
        limit_bytes: memory in all.

    Raises:
        DataError: a shape that the VQ-VAE cannot halve as often as it does, or that is smaller than a training crop.
    """
    shape = config.network.shape or shape
    require_divisible(shape, config.network.vqvae.factor)
    if stage == "fit":
        require_crops(config.stage1, shape)
    return _heaviest(config, stage, tuple(shape), limit_bytes)


@functools.lru_cache(maxsize=16)  # a search for the largest shape asks the same of a preset that resamples
def _heaviest(config: VqTransConfig, stage: Stage, shape: tuple[int, ...], limit_bytes: float) -> Prediction:
    if stage == "sample":
        parts = predict_sampling(config.network, shape, limit_bytes=limit_bytes)
    else:
        parts = predict_fitting(config, shape, limit_bytes=limit_bytes)
    return max(parts.values(), key=lambda prediction: prediction.tensor_bytes)


def predict_sampling(network: NetworkConfig, shape: Shape, *, limit_bytes: float = math.inf) -> dict[str, Prediction]:
    """Return the predictions of one sample's parts: the last token, with a full cache, and decoding.

    Args:
        network: architecture.
        shape: voxels (x, y, z).
        limit_bytes: memory in all; decoding takes as many slabs as it demands.
    """
    return vqvae_memory.predict_sampling(
        network.vqvae,
        shape,
        beside=lambda: [_half_transformer(network, shape)],
        steps={"next token": lambda: _last_token(network, shape)},
        limit_bytes=limit_bytes,
    )


def predict_fitting(config: VqTransConfig, shape: Shape, *, limit_bytes: float = math.inf) -> dict[str, Prediction]:
    """Return the predictions of the training of both stages, at the preset's batch and crop, and of encoding.

    Args:
        config: the preset.
        shape: voxels (x, y, z) of the training volumes.
        limit_bytes: memory in all; whole volumes pass the VQ-VAE in as many slabs as it demands.
    """
    network, fabric = config.network, Rehearsal(config.stage2.precision)
    stage2 = config.stage2.model_copy(update={"accumulate": min(2, config.stage2.accumulate)})  # as in predict_vqgan
    return {
        "stage1": predict_vqgan(network.vqvae, config.stage1, shape, limit_bytes=limit_bytes),
        "encode": predict_encoding(network.vqvae, shape, limit_bytes=limit_bytes),
        "stage2": predict_peak(lambda: step_sequences(network, stage2, shape, fabric)),
    }


def _half_transformer(network: NetworkConfig, shape: Shape) -> Transformer:
    """Return the transformer as it is sampled with on a GPU: in float16."""
    with built_as_sampled():
        return build_transformer(network, shape).eval()


@torch.no_grad()
def _last_token(network: NetworkConfig, shape: Shape) -> None:
    kept, transformer = empty_vqvae(network.vqvae), _half_transformer(network, shape)
    empty = transformer.new_cache(1)
    cache = Cache(empty.keys, empty.values, filled=transformer.max_seq_len - 1)
    transformer.forward_next(torch.zeros(1, dtype=torch.int64), cache)
    del kept
