"""Med-LSDM's presets; ``follows`` says what each takes from where, and why."""

from __future__ import annotations

from medbench.datasets.phantom.thorax import LABELS
from medbench_models.med_lsdm.config import (
    AutoencoderConfig,
    AutoencoderTraining,
    GuidedSamplingConfig,
    MedLsdmConfig,
    NetworkConfig,
    UnetConfig,
)
from medbench_models.shared.config import DiffusionConfig

_TINY = MedLsdmConfig(
    follows=(
        "neither paper nor code in size: made for the embedded phantom on a CPU. Sampled by DPM-Solver++ in 25 steps "
        "without guidance, where the public code takes 500 DDPM steps with it"
    ),
    network=NetworkConfig(
        autoencoder=AutoencoderConfig(hidden=8, codes=512, norm_groups=8, decay=0.95, window=(64, 64, 16)),
        unet=UnetConfig(
            width=32, multipliers=(1, 2), heads=2, head_channels=16, spade_channels=16, spade_hidden=16,
            encoder_widths=(8, 16),
        ),
        regions=tuple(LABELS.values()),
    ),
    stage1=AutoencoderTraining(
        steps=2200, batch=1, crop=(64, 64, 16), rate=2e-3, schedule="cosine", l1_weight=1.0, mse_weight=10.0,
        spectral_weight=1.0, perceptual_weight=0.0, quantise_from=0.3, restart_until=0.8, restart_below=0.03,
        adversarial_from=0.85, adversarial_ramp=0.1, adversarial_weight=0.001, feature_weight=4.0,
        discriminator_channels=8, discriminator_layers=2, discriminator_rate=2e-4, precision="bf16-mixed",
    ),
    stage2=DiffusionConfig(
        steps=1000, batch=8, rate=2e-3, schedule="cosine", loss="mse", ema_decay=0.99, precision="bf16-mixed"
    ),
    sampling=GuidedSamplingConfig(sampler="dpm", steps=25, guidance=0.0),
)  # fmt: skip

# Names of TotalSegmentator; those that a data set's label maps do not have stay empty.
_REGIONS = (
    "body", "lung_left", "lung_right", "trachea", "aorta", "heart", "heart_myocardium", "heart_atrium_left",
    "heart_atrium_right", "heart_ventricle_left", "heart_ventricle_right", "pulmonary_artery",
)  # fmt: skip

_SLAB = MedLsdmConfig(
    follows=(
        "the public code's run scripts: slabs of 256 x 256 x 32 voxels, hidden 16, 16,384 codes, discriminators from "
        "step 1000, U-Net of 64 channels, 500 DDPM steps, L1 on the noise, guidance 1.5. Other than there: a fixed "
        "window in place of each volume's own range, AdamW in place of Adam, LPIPS with SqueezeNet on slices of all "
        "three planes, and the steps of stage 1, which are stated nowhere"
    ),
    network=NetworkConfig(autoencoder=AutoencoderConfig(), unet=UnetConfig(), regions=_REGIONS),
    stage1=AutoencoderTraining(
        steps=100_000, batch=2, crop=(256, 256, 32), rate=3e-4, spectral_weight=0.0, perceptual_weight=4 / 3,
        quantise_from=1e-5, restart_until=0.99, adversarial_from=0.01, adversarial_ramp=1e-5, adversarial_weight=1.0,
        discriminator_rate=3e-4,
    ),
    stage2=DiffusionConfig(
        steps=700_000, batch=1, accumulate=2, rate=1e-5, schedule="constant", loss="l1", ema_decay=0.9995,
        precision="32-true",
    ),
    sampling=GuidedSamplingConfig(sampler="ddpm", steps=500),
)  # fmt: skip

_PAPER = _SLAB.model_copy(
    update={
        "follows": (
            "the networks and settings of slab on whole volumes of 512 x 512 x 256 voxels: no weight of the U-Net "
            "depends on the depth, so that memory alone limits it to 32 slices; activations are computed again in the "
            "backward pass and in mixed precision. Volumes pass the VQ-GAN in windows of 256 x 256 x 32 voxels, "
            "overlapping and blended, since its norms were trained with that size"
        ),
        "stage2": _SLAB.stage2.model_copy(update={"checkpointing": True, "precision": "16-mixed"}),
    }
)

PRESETS: dict[str, MedLsdmConfig] = {"tiny": _TINY, "slab": _SLAB, "paper": _PAPER}
