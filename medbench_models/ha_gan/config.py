"""HA-GAN's configurations: architecture and training settings, by preset."""

from __future__ import annotations

from medbench.spec import Spec
from medbench.training import Precision
from medbench_models.shared.config import SlabGanConfig


class NetworkConfig(SlabGanConfig):
    """All that a checkpoint's weights depend on besides the shape; a checkpoint with another one is refused.

    Args:
        small_critic_width: channels of the widest layer of D^L.
        code_width: channels of the widest layer of E^G.
    """

    small_critic_width: int = 256
    code_width: int = 256


class TrainingConfig(Spec):
    steps: int
    batch: int
    rate: float = 1e-4
    critic_rate: float = 4e-4
    encoder_rate: float = 1e-4
    schedule: str = "constant"
    ema_decay: float = 0.999
    encoders_every: int = 1
    shift: int = 0
    precision: Precision = "32-true"
