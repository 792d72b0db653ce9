"""MAISI's configurations: architecture, training and sampling settings, by preset."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt

from medbench.spec import Spec, Window
from medbench_models.shared.config import DiffusionConfig, KlganConfig

Region = Literal["head", "chest", "abdomen", "pelvis"]


class AutoencoderConfig(Spec):
    """Architecture of the KL autoencoder: every level but the last halves each axis."""

    channels: tuple[int, ...]
    res_blocks: tuple[int, ...]
    norm_groups: int
    latent_channels: int = 4

    @property
    def factor(self) -> int:
        """Voxels of one latent position along each axis."""
        return int(2 ** (len(self.channels) - 1))


class UnetConfig(Spec):
    """Architecture of the diffusion U-Net, which knows the spacing of what it makes.

    Args:
        channels: of each level; every level but the last halves each axis.
        res_blocks: of each level.
        attention: whether a level has it.
        head_channels: of each level's attention.
        norm_groups: of the group norms.
        body_regions: whether it is told the uppermost and the lowest region of the body.
        classes: how many modalities it is told apart; None: it is told none.
        resblock_updown: residual blocks between levels instead of convolutions.
        include_fc: attention has an output projection.
        told_as: the number that 1 mm of spacing, or a region of the body, is told as. Large ones train at small rates
            only.
    """

    channels: tuple[int, ...]
    res_blocks: int
    attention: tuple[bool, ...]
    head_channels: tuple[int, ...]
    norm_groups: int
    body_regions: bool
    classes: int | None
    resblock_updown: bool
    include_fc: bool
    told_as: float = 100.0


class ControlNetConfig(Spec):
    """Architecture of the ControlNet: the U-Net's, but for the embedding of the label map's bits.

    Args:
        embedding_channels: each but the first halves every axis of the label map, down to the latent's.
    """

    embedding_channels: tuple[int, ...]


class NetworkConfig(Spec):
    """All that a checkpoint's weights depend on; a checkpoint with another one is refused.

    Args:
        process: ``ddpm``: noise is predicted over 1000 steps of a scaled linear schedule; ``rflow``: the velocity of a
            rectified flow whose times are shifted by the size of the latent.
    """

    autoencoder: AutoencoderConfig
    unet: UnetConfig
    controlnet: ControlNetConfig | None
    process: Literal["ddpm", "rflow"]
    window: Window = Window()

    @property
    def multiple(self) -> int:
        """What every axis of a volume is a multiple of: autoencoder and U-Net halve it between their levels."""
        return self.autoencoder.factor * int(2 ** (len(self.unet.channels) - 1))


class MaisiConfig(Spec):
    """A preset.

    Args:
        stage1: of the autoencoder, which MAISI-PT does not train.
        stage3: of the ControlNet.
        steps: network evaluations of a sample: of ``rflow``; ``ddpm`` takes all its 1000.
        regions: the uppermost and the lowest region of the body, where no label map says it.
        follows: what the preset takes from where.
    """

    network: NetworkConfig
    stage1: KlganConfig
    stage2: DiffusionConfig
    stage3: DiffusionConfig | None
    steps: PositiveInt = 30
    regions: tuple[Region, Region] = ("chest", "chest")
    follows: str
