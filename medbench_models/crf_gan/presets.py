"""CRF-GAN's presets; ``follows`` says what each takes from where."""

from __future__ import annotations

from medbench_models.crf_gan.config import CrfGanConfig, NetworkConfig, TrainingConfig

_TINY = CrfGanConfig(
    follows=(
        "neither paper nor public code in size: made for the embedded phantom on a CPU; narrower, two slabs a volume, "
        "faster rates, averaged weights"
    ),
    network=NetworkConfig(
        latent=64, widths=(128, 128, 64, 32, 32, 16), doublings=3, slabs=2, critic_width=256, nodes=16,
    ),
    gan=TrainingConfig(
        steps=5000, batch=8, rate=4e-4, critic_rate=8e-4, encoder_rate=4e-4, encoder_every=10, field_rate=8e-4,
        field_steps=2250, energy_weight=20.0, ema_decay=0.998, precision="bf16-mixed",
    ),
    cube=None,
)  # fmt: skip

_PAPER = CrfGanConfig(
    follows=(
        "arXiv 2503.10899 and its public code at 256x256x256, its largest size, to which volumes are stretched as "
        "HA-GAN's are: window -1024 to 600 HU, 80,000 iterations of batch 4"
    ),
    network=NetworkConfig(),
    gan=TrainingConfig(),
    cube=(256, 256, 256),
)

_CUBE128 = CrfGanConfig(
    follows="the public code at 128x128x128",
    network=NetworkConfig(doublings=3, nodes=32),
    gan=TrainingConfig(),
    cube=(128, 128, 128),
)

_CUBE64 = CrfGanConfig(
    follows="the public code at 64x64x64, which the papers do not report",
    network=NetworkConfig(doublings=2, nodes=16),
    gan=TrainingConfig(),
    cube=(64, 64, 64),
)

_FULL = CrfGanConfig(
    follows=(
        "the public code's widths on the volumes' own grid, such as 512x512x256, which the public code cannot make; "
        "batch 2 for the sake of memory"
    ),
    network=NetworkConfig(),
    gan=TrainingConfig(batch=2),
    cube=None,
)

PRESETS: dict[str, CrfGanConfig] = {
    "tiny": _TINY, "paper": _PAPER, "cube128": _CUBE128, "cube64": _CUBE64, "full": _FULL,
}  # fmt: skip
