"""Med-LSDM's configurations: architecture, training and sampling settings, by preset."""

from __future__ import annotations

from medbench.spec import Spec, Window
from medbench_models.shared.config import DiffusionConfig, SamplingConfig, VqganConfig

FACTOR = 4  # voxels of one latent position along each axis: the VQ-GAN has two levels


class AutoencoderConfig(Spec):
    """Architecture of the VQ-GAN; what is left out is as published.

    Args:
        hidden: channels at full resolution in the encoder; each of the two levels doubles them.
        codes: size of the codebook.
        code_channels: of a code, and so of a latent.
        norm_groups: of the group norms.
        spade: whether the decoder is steered by the label map as well; no preset trains such a one.
        window: voxels (x, y, z) that pass at once. Its norms see all of a window, so that larger volumes pass in
            windows of the size that it was trained on.
    """

    hidden: int = 16
    codes: int = 16384
    code_channels: int = 8
    norm_groups: int = 32
    spade: bool = False
    commitment: float = 0.25
    decay: float = 0.99
    epsilon: float = 1e-7
    window: tuple[int, int, int] = (256, 256, 32)


class UnetConfig(Spec):
    """Architecture of the semantic diffusion U-Net and the length of its noise schedule; the defaults are published.

    Args:
        width: channels of the first level.
        multipliers: of the width, by level; each level but the last halves the axial plane, never the depth.
        heads: of every attention.
        head_channels: of the attention along the depth; the others have 32.
        spade_channels: of the encoded label map; None: the norms see the map itself.
        spade_hidden: channels within each norm.
        encoder_widths: of the label map's encoder before its last convolution.
        timesteps: of the schedule.
    """

    width: int = 64
    multipliers: tuple[int, ...] = (1, 2, 4, 8)
    heads: int = 8
    head_channels: int = 32
    spade_channels: int | None = 64
    spade_hidden: int = 128
    encoder_widths: tuple[int, int] = (64, 128)
    timesteps: int = 500


class NetworkConfig(Spec):
    """All that a checkpoint's weights depend on; a checkpoint with another one is refused.

    Args:
        autoencoder: between volumes and latents.
        unet: denoises latents.
        regions: what the label maps name, in the order of their channels; the first channel is the background.
        window: of the HU.
    """

    autoencoder: AutoencoderConfig
    unet: UnetConfig
    regions: tuple[str, ...]
    window: Window = Window()

    @property
    def classes(self) -> int:
        """Channels of a one-hot label map, with the background."""
        return len(self.regions) + 1

    @property
    def multiples(self) -> tuple[int, int, int]:
        """What the axes x, y, z are multiples of: the U-Net halves axial planes only."""
        plane = FACTOR * int(2 ** (len(self.unet.multipliers) - 1))
        return plane, plane, FACTOR


class AutoencoderTraining(VqganConfig):
    """Training of the VQ-GAN: judged by two discriminators, of volumes and of single axial slices.

    Args:
        l1_weight: of the mean absolute error.
        feature_weight: of the match of the discriminators' features, beside ``adversarial_weight`` of each verdict.
        restart_below: codes whose averaged count is lower begin anew with the encoder's output.
    """

    l1_weight: float = 4.0
    feature_weight: float = 4.0
    restart_below: float = 1.0


class GuidedSamplingConfig(SamplingConfig):
    """How samples are drawn.

    Args:
        guidance: w of e + w (e - e0), where e0 is predicted with an empty map; 0 saves its network pass in each step.
    """

    guidance: float = 1.5


class MedLsdmConfig(Spec):
    """A preset."""

    network: NetworkConfig
    stage1: AutoencoderTraining
    stage2: DiffusionConfig
    sampling: GuidedSamplingConfig
    follows: str
