"""The memory that a VQ-VAE needs on a GPU, predicted from its own code; see ``medbench.budget.prediction``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch

from medbench.budget.prediction import Prediction, predict_peak
from medbench.training.rehearsal import Rehearsal
from medbench_models.shared.config import VqganConfig, VqvaeConfig
from medbench_models.shared.gan import build_discriminator
from medbench_models.shared.memory import bytes_of
from medbench_models.shared.nearest import one_chunk
from medbench_models.shared.vqgan import step_vqgan
from medbench_models.shared.vqvae import Vqvae, decode, encode, slabs_needed, through


def empty_vqvae(config: VqvaeConfig) -> Vqvae:
    """Return a VQ-VAE in evaluation mode that looks codes up as on a GPU."""
    vqvae = Vqvae(config).eval()
    vqvae.codebook.search = one_chunk
    return vqvae


def bytes_of_vqvae(config: VqvaeConfig, *others: torch.nn.Module) -> int:
    """Return the bytes of a VQ-VAE's weights and of other modules'."""
    with torch.device("meta"):
        return bytes_of(Vqvae(config), *others)


def latent_shape(config: VqvaeConfig, shape: Sequence[int]) -> tuple[int, ...]:
    """Return channels and positions of the latent of a volume of voxels (x, y, z)."""
    return (config.codebook_dim, *(size // config.factor for size in shape))


def predict_sampling(
    config: VqvaeConfig,
    shape: Sequence[int],
    *,
    beside: Callable[[], Sequence[torch.nn.Module]],
    steps: Mapping[str, Callable[[], object]],
    limit_bytes: float = math.inf,
) -> dict[str, Prediction]:
    """Return the predictions of one sample's parts: the steps, and decoding in as many slabs as fit the limit.

    Args:
        config: of the VQ-VAE.
        shape: voxels (x, y, z).
        beside: makes the other networks, which stay in memory.
        steps: what comes before decoding, by name.
        limit_bytes: memory in all.
    """
    with torch.device("meta"):
        kept = bytes_of_vqvae(config, *beside())
    count = slabs_needed(config, shape, itemsize=2, limit_bytes=limit_bytes, kept_bytes=kept)
    decode = predict_decoding(config, shape, count=count, beside=beside)
    return {name: predict_peak(step) for name, step in steps.items()} | {"decode": decode}


def predict_decoding(
    config: VqvaeConfig, shape: Sequence[int], *, count: int, beside: Callable[[], object]
) -> Prediction:
    """Return the prediction of decoding a sample in half precision, its codes looked up once more.

    Args:
        config: of the VQ-VAE.
        shape: voxels (x, y, z).
        count: slabs.
        beside: makes what else stays in memory.
    """

    @torch.no_grad()
    def call() -> None:
        vqvae, kept = empty_vqvae(config), beside()
        with torch.autocast("cpu", dtype=torch.float16):
            quantised, _ = vqvae.quantize(torch.empty(1, *latent_shape(config, shape)))
            decode(vqvae, quantised, count=count)
        del kept

    return predict_peak(call)


def predict_encoding(
    config: VqvaeConfig, shape: Sequence[int], *, count: int | None = None, limit_bytes: float = math.inf
) -> Prediction:
    """Return the prediction of encoding a volume in float32.

    Args:
        config: of the VQ-VAE.
        shape: voxels (x, y, z).
        count: slabs; None: as many as the limit demands.
        limit_bytes: memory in all.
    """
    cut = count or slabs_needed(config, shape, itemsize=4, limit_bytes=limit_bytes, kept_bytes=bytes_of_vqvae(config))

    @torch.no_grad()
    def call() -> None:
        vqvae = empty_vqvae(config)
        vqvae.codebook(encode(vqvae, torch.empty(1, 1, *shape), count=cut))

    return predict_peak(call)


def predict_vqgan(
    network: VqvaeConfig, config: VqganConfig, shape: Sequence[int], *, limit_bytes: float = math.inf
) -> Prediction:
    """Return the prediction of a VQ-VAE's training: a step on crops, and a whole volume in the validation.

    Args:
        network: of the VQ-VAE.
        config: training settings.
        shape: voxels (x, y, z) of the training volumes.
        limit_bytes: memory in all; whole volumes pass in as many slabs as it demands.
    """
    with torch.device("meta"):
        kept = 3 * bytes_of(Vqvae(network), build_discriminator(config))  # with AdamW's averages
    itemsize = 4 if config.precision == "32-true" else 2
    count = slabs_needed(network, shape, itemsize=itemsize, limit_bytes=limit_bytes, kept_bytes=kept)

    # Of passes that accumulate, the third and later ones hold what the second holds, and their crops (megabytes).
    rehearsed = config.model_copy(update={"accumulate": min(2, config.accumulate)})

    def call() -> None:
        fabric = Rehearsal(config.precision)
        task = step_vqgan(network, rehearsed, fabric)
        with torch.no_grad(), fabric.autocast():
            through(task.vqvae.eval(), torch.empty(1, 1, *shape), count=count)

    return predict_peak(call)
