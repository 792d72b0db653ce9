"""VolDiT's presets; ``follows`` says what each takes from where."""

from __future__ import annotations

from medbench.datasets.phantom.thorax import LABELS
from medbench_models.shared.config import DiffusionConfig, SamplingConfig, VqganConfig, VqvaeConfig
from medbench_models.voldit.config import AdapterConfig, DitConfig, NetworkConfig, VolDiTConfig

_TINY = VolDiTConfig(
    follows=(
        "neither: sized and trained for the embedded phantom on a CPU; the parts are those of the paper, the VQ-VAE is "
        "the one of MedLoRD's tiny preset and stays as it is"
    ),
    network=NetworkConfig(
        vqvae=VqvaeConfig(channels=(24, 48), res_layers=1, codebook_size=512),
        dit=DitConfig(patch=2, width=120, depth=3, heads=3, dropout=0.0),
        adapter=AdapterConfig(masks=(tuple(LABELS.values()),), channels=(4, 8, 16, 28), tuned=3),
    ),
    stage1=None,
    stage2=DiffusionConfig(
        steps=9000, batch=8, rate=1.5e-3, schedule="cosine", loss="mse", ema_decay=0.995, precision="bf16-mixed"
    ),
    stage3=DiffusionConfig(
        steps=1400, batch=4, rate=1e-3, schedule="cosine", loss="mse", ema_decay=0.99, mask_dropout=0.15,
        precision="bf16-mixed"
    ),
    sampling=SamplingConfig(sampler="dpm", steps=25),
)  # fmt: skip

# Width, depth, heads.
_SIZES = {"xs": (384, 6, 6), "s": (384, 12, 6), "b": (768, 12, 12), "l": (1152, 24, 16)}
_PATCHES = (2, 4)


def _published(size: str, patch: int) -> VolDiTConfig:
    width, depth, heads = _SIZES[size]
    frugal = patch == 2  # 16,384 tokens
    return VolDiTConfig(
        follows=(
            f"the public code with its transformer {size}{patch}; other than there: the VQ-VAE trains on crops of "
            "256x256x128 in place of whole volumes, every volume is scaled by the same window, and the rate falls to "
            "0.08 of its first value in place of 0.37"
        ),
        network=NetworkConfig(
            vqvae=VqvaeConfig(channels=(128, 256, 512), res_layers=2, codebook_size=4096, decay=0.99),
            dit=DitConfig(patch=patch, width=width, depth=depth, heads=heads),
            adapter=AdapterConfig(
                masks=((
                    "aorta", "heart_atrium_left", "heart_atrium_right", "heart_myocardium", "heart_ventricle_left",
                    "heart_ventricle_right",
                ),)
            ),
        ),
        stage1=VqganConfig(
            steps=231_400,  # 1300 epochs of 712 scans in batches of 4
            batch=1, accumulate=4, crop=(256, 256, 128), rate=5e-5, spectral_weight=0.0, perceptual_weight=0.005,
            adversarial_from=10 / 1300, adversarial_ramp=1 / 1300, adversarial_weight=0.005, discriminator_rate=2e-5,
            checkpointing=True,
        ),
        stage2=DiffusionConfig(
            steps=356_000,  # 1000 epochs of 712 scans in batches of 2
            batch=2, rate=1e-4, loss="smooth_l1", ema_decay=0.9999, checkpointing=frugal,
        ),
        stage3=DiffusionConfig(
            steps=356_000,  # 500 epochs of 712 scans
            batch=1, rate=5e-5, loss="smooth_l1", ema_decay=0.9999, mask_dropout=0.1, checkpointing=frugal,
        ),
        sampling=SamplingConfig(sampler="ddpm", steps=300),
    )  # fmt: skip


_PUBLISHED = {f"{size}{patch}": _published(size, patch) for size in _SIZES for patch in _PATCHES}

PRESETS: dict[str, VolDiTConfig] = {"tiny": _TINY, "paper": _PUBLISHED["l4"], **_PUBLISHED}
