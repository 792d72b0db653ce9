"""VQ-Trans's presets; ``follows`` says what each takes from the paper, the public code, or neither."""

from __future__ import annotations

from medbench.spec import Window
from medbench_models.shared.config import VqganConfig, VqvaeConfig
from medbench_models.vq_trans.config import (
    NetworkConfig,
    SamplingConfig,
    SequenceConfig,
    TransformerConfig,
    VqTransConfig,
)

_TINY = VqTransConfig(
    follows=(
        "neither: sized and trained for the embedded phantom on a CPU; compression 4, since the 32 codes that "
        "compression 16 leaves of 64x64x32 voxels show no anatomy"
    ),
    network=NetworkConfig(
        vqvae=VqvaeConfig(channels=(24, 48), res_layers=1, codebook_size=512),
        transformer=TransformerConfig(dim=128, depth=3, heads=4),
    ),
    stage1=VqganConfig(
        steps=4500, batch=4, crop=(32, 32, 32), centred=True, rate=1.5e-3, schedule="cosine", mse_weight=10.0,
        spectral_weight=1.0, perceptual_weight=0.0, quantise_from=0.25, restart_until=0.8, adversarial_from=0.7,
        adversarial_ramp=0.1, adversarial_weight=0.001, discriminator_channels=16, discriminator_layers=2,
        discriminator_rate=2e-4, precision="bf16-mixed",
    ),
    stage2=SequenceConfig(
        steps=1800, batch=1, rate=8e-3, schedule="cosine", ema_decay=0.99, precision="bf16-mixed"
    ),
    sampling=SamplingConfig(temperature=0.8),
)  # fmt: skip

_PAPER = VqTransConfig(
    follows=(
        "the networks and losses of the public code (marksgraham/transformer-ood), as the MedLoRD paper (arXiv "
        "2503.13211) adapts them: compression 16 and sequences of 12,544 codes, which only 28x28x16 latents make: "
        "volumes of 512x512x256 voxels are resampled in-plane to 448x448x256; training on crops, and the numbers of "
        "steps, are not stated there"
    ),
    network=NetworkConfig(
        vqvae=VqvaeConfig(
            channels=(256, 256, 256, 256), res_layers=3, codebook_size=2048, codebook_dim=128, decay=0.99
        ),
        transformer=TransformerConfig(dim=256, depth=22, heads=8),
        shape=(448, 448, 256),
        window=Window(low=-1000, high=2000),
    ),
    stage1=VqganConfig(
        steps=250_000, batch=1, accumulate=8, crop=(128, 128, 128), rate=1e-4, spectral_weight=1.0,
        perceptual_weight=0.001, adversarial_ramp=1 / 250_000, adversarial_weight=0.01, discriminator_rate=5e-4,
        checkpointing=True,
    ),
    stage2=SequenceConfig(steps=250_000, batch=1, accumulate=4, rate=1e-4, checkpointing=True),
    sampling=SamplingConfig(),
)  # fmt: skip


def _adapted(follows: str, **network: object) -> VqTransConfig:
    return _PAPER.model_copy(update={"follows": follows, "network": _PAPER.network.model_copy(update=network)})


_PAPER_FULL = _adapted(
    "paper, without resampling: 512x512x256 voxels are 32x32x16 latent positions, 16,384 codes", shape=None
)
_DS8 = _adapted(
    "paper, with compression 8 as upstream might have it before the MedLoRD paper raised it: 512x512x256 voxels are "
    "131,072 codes; for the budget's question, nobody has trained it",
    shape=None, vqvae=_PAPER.network.vqvae.model_copy(update={"channels": (256, 256, 256)}),
)  # fmt: skip

PRESETS: dict[str, VqTransConfig] = {"tiny": _TINY, "paper": _PAPER, "paper-full": _PAPER_FULL, "paper-ds8": _DS8}
