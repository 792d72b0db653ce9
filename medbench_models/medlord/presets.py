"""MedLoRD's presets. Where the paper and the public code differ, ``follows`` says which a preset follows, and why."""

from __future__ import annotations

from medbench.datasets.phantom.thorax import LABELS
from medbench.spec import Window
from medbench_models.medlord.config import ControlNetConfig, MedLoRDConfig, NetworkConfig, UnetConfig
from medbench_models.shared.config import DiffusionConfig, SamplingConfig, VqganConfig, VqvaeConfig

_TINY = MedLoRDConfig(
    follows="neither: sized and trained for the embedded phantom on a CPU; the parts are those of the paper",
    network=NetworkConfig(
        vqvae=VqvaeConfig(channels=(24, 48), res_layers=1, codebook_size=512),
        unet=UnetConfig(channels=(32, 32), res_blocks=1, attention=(False, False), head_channels=8, norm_groups=8),
        controlnet=ControlNetConfig(
            regions=tuple(LABELS.values()), embedding_channels=(16, 32), transformers=False, head_channels=(4, 4),
            norm_groups=4,
        ),
    ),
    stage1=VqganConfig(
        steps=12000, batch=4, crop=(32, 32, 32), centred=True, rate=1.5e-3, schedule="cosine", mse_weight=10.0,
        spectral_weight=1.0, perceptual_weight=0.0, quantise_from=0.25, restart_until=0.8, adversarial_from=0.7,
        adversarial_ramp=0.1, adversarial_weight=0.001, discriminator_channels=16, discriminator_layers=2,
        discriminator_rate=2e-4, precision="bf16-mixed",
    ),
    stage2=DiffusionConfig(
        steps=16000, batch=16, rate=2e-3, schedule="cosine", loss="mse", ema_decay=0.995, precision="bf16-mixed"
    ),
    stage3=DiffusionConfig(
        steps=2000, batch=12, rate=2e-3, schedule="cosine", loss="mse", ema_decay=0.99, precision="bf16-mixed"
    ),
    sampling=SamplingConfig(sampler="dpm", steps=25),
)  # fmt: skip

# The U-Net of the public `medlord` and `medlord_1000` configurations, and the ControlNet that goes with it.
_UNET = UnetConfig(
    channels=(64, 128, 256, 512), res_blocks=2, attention=(False, False, True, True), head_channels=32, norm_groups=32
)
_CONTROLNET = ControlNetConfig(
    regions=(
        "aorta", "heart_atrium_left", "heart_atrium_right", "heart_myocardium", "heart_ventricle_left",
        "heart_ventricle_right",
    ),
    embedding_channels=(32, 64), transformers=True, head_channels=(0, 0, 32, 32), norm_groups=32,
)  # fmt: skip
_SAMPLING = SamplingConfig(sampler="ddpm", steps=50)

_LUNA_DS8 = MedLoRDConfig(
    follows=(
        "the public code and its configurations vqgan_ds8_new, medlord and controlnet_new, for which weights are "
        "published: window -1000 to 1000 HU, smooth L1, crops of 256x256x128; the ControlNet's mask embedding has one "
        "level more, since the published one does not fit this latent"
    ),
    network=NetworkConfig(
        vqvae=VqvaeConfig(channels=(128, 256, 512), res_layers=2, codebook_size=16384, decay=0.98),
        unet=_UNET,
        controlnet=_CONTROLNET.model_copy(update={"embedding_channels": (32, 64, 64)}),
    ),
    stage1=VqganConfig(
        steps=925_600,  # 1300 epochs of 712 scans
        batch=1, crop=(256, 256, 128), augment=True, rate=3e-5, spectral_weight=0.7, perceptual_weight=0.1,
        adversarial_ramp=10 / 1300, adversarial_weight=0.008, discriminator_rate=2e-5, checkpointing=True,
    ),
    stage2=DiffusionConfig(
        steps=890_000,  # 5000 epochs of 712 scans in batches of 4
        batch=4, rate=1e-4, loss="smooth_l1",
    ),
    stage3=DiffusionConfig(
        steps=356_000,  # 500 epochs of 712 scans
        batch=1, rate=7.5e-5, loss="smooth_l1", mask_dropout=0.1,
    ),
    sampling=_SAMPLING,
)  # fmt: skip

_PAPER = MedLoRDConfig(
    follows=(
        "the paper (arXiv 2503.13211): window -1000 to 2000 HU, L1, crops of 128x128x64 (LUNA), 250,000 and 750,000 "
        "steps, no augmentation; what it leaves open (compression 4, rates, weights) is the public vqgan_ds4_new"
    ),
    network=NetworkConfig(
        vqvae=VqvaeConfig(channels=(128, 256), res_layers=2, codebook_size=16384),
        unet=_UNET,
        controlnet=_CONTROLNET,
        window=Window(low=-1000, high=2000),
    ),
    stage1=VqganConfig(
        steps=250_000, batch=2, crop=(128, 128, 64), rate=3e-5, spectral_weight=1.0, perceptual_weight=0.002,
        adversarial_ramp=0.02, adversarial_weight=0.005, discriminator_rate=1e-4,
    ),
    stage2=DiffusionConfig(steps=750_000, batch=1, accumulate=4, rate=1e-4, loss="l1", checkpointing=True),
    stage3=DiffusionConfig(steps=100_000, batch=1, rate=7.5e-5, loss="l1", mask_dropout=0.1, checkpointing=True),
    sampling=_SAMPLING,
)  # fmt: skip

PRESETS: dict[str, MedLoRDConfig] = {"tiny": _TINY, "luna-ds8": _LUNA_DS8, "paper": _PAPER}
