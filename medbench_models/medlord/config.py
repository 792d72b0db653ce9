"""MedLoRD's configurations: architecture, training and sampling settings, by preset."""

from __future__ import annotations

from medbench.spec import Spec, Window
from medbench_models.shared.config import DiffusionConfig, SamplingConfig, VqganConfig, VqvaeConfig


class UnetConfig(Spec):
    """Architecture of the diffusion U-Net and the length of its noise schedule."""

    channels: tuple[int, ...]
    res_blocks: int
    attention: tuple[bool, ...]
    head_channels: int
    norm_groups: int
    timesteps: int = 300


class ControlNetConfig(Spec):
    """Architecture of the ControlNet that steers a U-Net by label maps.

    Args:
        regions: one mask channel each, in this order.
        ratio: its widths over the U-Net's.
        embedding_channels: of the mask embedding; each but the first halves every axis.
        embedding_stride: of its first convolution.
        transformers: attention by transformer blocks instead of the U-Net's plain ones.
        head_channels: of each level.
        norm_groups: of its group norms.
    """

    regions: tuple[str, ...]
    ratio: float = 0.5
    embedding_channels: tuple[int, ...]
    embedding_stride: int = 2
    transformers: bool
    head_channels: tuple[int, ...]
    norm_groups: int


class NetworkConfig(Spec):
    """All that a checkpoint's weights depend on; a checkpoint with another one is refused."""

    vqvae: VqvaeConfig
    unet: UnetConfig
    controlnet: ControlNetConfig | None = None
    window: Window = Window()

    @property
    def multiple(self) -> int:
        """What every axis of a volume is a multiple of: the VQ-VAE and the U-Net halve it at each level."""
        return self.vqvae.factor * int(2 ** (len(self.unet.channels) - 1))


class MedLoRDConfig(Spec):
    """A preset; ``stage3`` is None where it has no ControlNet."""

    network: NetworkConfig
    stage1: VqganConfig
    stage2: DiffusionConfig
    stage3: DiffusionConfig | None
    sampling: SamplingConfig
    follows: str
