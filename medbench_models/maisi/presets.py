"""MAISI's presets, alike for both models but for tiny. ``follows`` says what a preset takes from where, and why."""

from __future__ import annotations

from medbench_models.maisi.config import (
    AutoencoderConfig,
    ControlNetConfig,
    MaisiConfig,
    NetworkConfig,
    UnetConfig,
)
from medbench_models.shared.config import DiffusionConfig, KlganConfig

_TINY = MaisiConfig(
    follows=(
        "MAISI version 2 in all parts; sized and trained for the embedded phantom on a CPU, at rates twenty times as "
        "high, so that it is told spacings in cm"
    ),
    network=NetworkConfig(
        process="rflow",
        autoencoder=AutoencoderConfig(channels=(16, 16, 32), res_blocks=(0, 1, 1), norm_groups=8),
        unet=UnetConfig(
            channels=(32, 32), res_blocks=1, attention=(False, False), head_channels=(0, 8), norm_groups=8,
            body_regions=False, classes=2, resblock_updown=True, include_fc=True, told_as=0.1,
        ),
        controlnet=ControlNetConfig(embedding_channels=(8, 16, 16)),
    ),
    stage1=KlganConfig(
        steps=6000, batch=1, crop=(48, 40, 24), centred=True, rate=2e-3, schedule="cosine", mse_weight=10.0,
        spectral_weight=1.0, perceptual_weight=0.0, adversarial_from=0.7, adversarial_ramp=0.1,
        adversarial_weight=0.001, discriminator_channels=16, discriminator_layers=2, discriminator_rate=2e-4,
        precision="bf16-mixed",
    ),
    stage2=DiffusionConfig(
        steps=3000, batch=8, rate=2e-3, schedule="cosine", loss="mse", ema_decay=0.995, precision="bf16-mixed"
    ),
    stage3=DiffusionConfig(
        steps=900, batch=4, rate=2e-3, schedule="cosine", loss="mse", ema_decay=0.99, precision="bf16-mixed"
    ),
)  # fmt: skip

_AUTOENCODER = AutoencoderConfig(channels=(64, 128, 256), res_blocks=(2, 2, 2), norm_groups=32)
_VERSION1 = UnetConfig(
    channels=(64, 128, 256, 512), res_blocks=2, attention=(False, False, True, True), head_channels=(0, 0, 32, 32),
    norm_groups=32, body_regions=True, classes=None, resblock_updown=False, include_fc=False,
)  # fmt: skip
_VERSION2 = _VERSION1.model_copy(
    update={"body_regions": False, "classes": 128, "resblock_updown": True, "include_fc": True}
)
_CONTROLNET = ControlNetConfig(embedding_channels=(8, 32, 64))

_DDPM = MaisiConfig(
    follows=(
        "MAISI version 1 (arXiv 2409.11169) and its public configurations maisi3d-ddpm, for which weights are "
        "published; losses of images in -1..1 weigh twice as much as upstream's in 0..1, to weigh the same"
    ),
    network=NetworkConfig(autoencoder=_AUTOENCODER, unet=_VERSION1, controlnet=_CONTROLNET, process="ddpm"),
    stage1=KlganConfig(
        steps=200_000,  # 280 epochs of 712 scans
        batch=1, crop=(64, 64, 64), augment=True, rate=1e-4, spectral_weight=0.0, perceptual_weight=0.6,
        kl_weight=2e-7, adversarial_ramp=0.05, adversarial_weight=0.2, discriminator_channels=32,
        discriminator_rate=1e-4,
    ),
    stage2=DiffusionConfig(
        steps=712_000,  # 1000 epochs of 712 scans
        batch=1, rate=1e-4, schedule="quadratic", loss="l1", ema_decay=0.0,
    ),
    stage3=DiffusionConfig(
        steps=71_200,  # 100 epochs of 712 scans
        batch=1, rate=1e-5, schedule="quadratic", loss="l1", ema_decay=0.0, checkpointing=True,
    ),
)  # fmt: skip

_RFLOW = _DDPM.model_copy(
    update={
        "network": _DDPM.network.model_copy(update={"unet": _VERSION2, "process": "rflow"}),
        "follows": (
            "MAISI version 2 (arXiv 2508.05772) and its public configurations maisi3d-rflow, for which weights are "
            "published, without the loss that tells tumours from their organ; the rest is as in ddpm"
        ),
    }
)

_PAPER = _DDPM.model_copy(
    update={
        "follows": (
            "MAISI as the MedLoRD paper (arXiv 2503.13211) brought it to 24 GB: volumes of 512x512x128 voxels. It "
            "does not say which version it took; version 1 was the public default when it was written"
        ),
    }
)

PRESETS: dict[str, MaisiConfig] = {"tiny": _TINY, "paper": _PAPER, "ddpm": _DDPM, "rflow": _RFLOW}

# Some of the minutes that MAISI-PT's tiny preset may take went into its autoencoder.
_TINY_PT = _TINY.model_copy(update={"stage2": _TINY.stage2.model_copy(update={"steps": 2000})})
PRESETS_PT: dict[str, MaisiConfig] = PRESETS | {"tiny": _TINY_PT}
