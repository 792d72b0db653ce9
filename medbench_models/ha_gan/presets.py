"""HA-GAN's presets; ``follows`` says what each takes from where."""

from __future__ import annotations

from medbench_models.ha_gan.config import HaganConfig, NetworkConfig
from medbench_models.shared.config import SlabTrainingConfig

_TINY = HaganConfig(
    follows=(
        "neither paper nor public code in size: made for the embedded phantom on a CPU; narrower, two slabs a volume, "
        "faster rates, averaged weights"
    ),
    network=NetworkConfig(
        latent=64, widths=(128, 128, 64, 32, 32, 16), doublings=3, slabs=2, critic_width=256, small_critic_width=128,
        code_width=128,
    ),
    gan=SlabTrainingConfig(
        steps=3000, batch=8, rate=4e-4, critic_rate=8e-4, encoder_rate=4e-4, encoder_every=10, energy_weight=10.0,
        ema_decay=0.998, precision="bf16-mixed",
    ),
    cube=None,
)  # fmt: skip

_CUBE256 = NetworkConfig()

_PAPER = HaganConfig(
    follows=(
        "the public code at 256x256x256, as which the MedLoRD paper (arXiv 2503.13211) most likely ran it in 24 GB "
        "('input resized', no size is given): window -1024 to 600 HU, 80,000 iterations of batch 4"
    ),
    network=_CUBE256,
    gan=SlabTrainingConfig(),
    cube=(256, 256, 256),
)

_COPDGENE = _PAPER.model_copy(
    update={"follows": "the public code at 256x256x256, whose weights its authors published for COPDGene"}
)

_CUBE128 = HaganConfig(
    follows="the public code at 128x128x128",
    network=_CUBE256.model_copy(update={"doublings": 3}),
    gan=SlabTrainingConfig(),
    cube=(128, 128, 128),
)

_FULL = HaganConfig(
    follows=(
        "the public code's widths on the volumes' own grid, such as 512x512x256, which the public code cannot make; "
        "batch 2 for the sake of memory"
    ),
    network=_CUBE256,
    gan=SlabTrainingConfig(batch=2),
    cube=None,
)

PRESETS: dict[str, HaganConfig] = {
    "tiny": _TINY, "paper": _PAPER, "cube128": _CUBE128, "full": _FULL, "copdgene": _COPDGENE,
}  # fmt: skip
