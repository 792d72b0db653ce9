"""HA-GAN's configurations: architecture by preset."""

from __future__ import annotations

from medbench_models.shared.config import SlabGanConfig, SlabPreset


class NetworkConfig(SlabGanConfig):
    """All that a checkpoint's weights depend on besides the shape; a checkpoint with another one is refused.

    Args:
        small_critic_width: channels of the widest layer of D^L.
        code_width: channels of the widest layer of E^G.
    """

    small_critic_width: int = 256
    code_width: int = 256


class HaganConfig(SlabPreset):
    """A preset."""

    network: NetworkConfig
