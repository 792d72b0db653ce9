"""HA-GAN's configurations: architecture and training settings, by preset."""

from __future__ import annotations

from medbench.spec import Spec
from medbench_models.shared.config import SlabGanConfig, SlabTrainingConfig

Shape = tuple[int, int, int]


class NetworkConfig(SlabGanConfig):
    """All that a checkpoint's weights depend on besides the shape; a checkpoint with another one is refused.

    Args:
        small_critic_width: channels of the widest layer of D^L.
        code_width: channels of the widest layer of E^G.
    """

    small_critic_width: int = 256
    code_width: int = 256


class HaganConfig(Spec):
    """A preset.

    Args:
        network: the architecture.
        gan: its training.
        cube: voxels (x, y, z) that volumes are stretched to before anything else; None: they stay as they are.
        follows: what it takes from where.
    """

    network: NetworkConfig
    gan: SlabTrainingConfig
    cube: Shape | None
    follows: str
