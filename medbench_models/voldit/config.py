"""VolDiT's configurations: architecture, training and sampling settings, by preset."""

from __future__ import annotations

from medbench.spec import Spec, Window
from medbench_models.shared.config import DiffusionConfig, SamplingConfig, VqganConfig, VqvaeConfig


class DitConfig(Spec):
    """Architecture of the diffusion transformer and the length of its noise schedule.

    Args:
        patch: latent positions of a token along each axis.
        width: numbers of a token.
        depth: blocks.
        heads: of the attention.
        dropout: after attention and in the perceptrons, in training.
        timesteps: of the noise schedule.
    """

    patch: int
    width: int
    depth: int
    heads: int
    dropout: float = 0.1
    timesteps: int = 300


class AdapterConfig(Spec):
    """Architecture of the token adapter (TGCA) that steers a transformer by label maps.

    Args:
        masks: one input channel each; region i of a mask has the number i + 1 in it, and what is none of them 0.
        channels: of the mask embedding's convolutions; each but the first halves every axis.
        blocks: how many of the last blocks are steered; None: all.
        tuned: how many of the last blocks are trained along; where there are any, no label map means empty masks.
    """

    masks: tuple[tuple[str, ...], ...]
    channels: tuple[int, ...] = (8, 16, 32, 64, 128)
    blocks: int | None = None
    tuned: int = 0

    @property
    def regions(self) -> tuple[str, ...]:
        """All regions, mask by mask."""
        return tuple(region for mask in self.masks for region in mask)


class NetworkConfig(Spec):
    """All that a checkpoint's weights depend on; a checkpoint with another one is refused."""

    vqvae: VqvaeConfig
    dit: DitConfig
    adapter: AdapterConfig | None = None
    window: Window = Window()

    @property
    def multiple(self) -> int:
        """What every axis of a volume is a multiple of: voxels of one token."""
        return self.vqvae.factor * self.dit.patch


class VolDiTConfig(Spec):
    """A preset.

    Args:
        network: architecture.
        stage1: of the VQ-VAE; None where it is another checkpoint's and stays as it is (see ``published``).
        stage2: of the transformer.
        stage3: of the adapter.
        sampling: how samples are drawn.
        follows: what the preset takes from where.
    """

    network: NetworkConfig
    stage1: VqganConfig | None
    stage2: DiffusionConfig
    stage3: DiffusionConfig
    sampling: SamplingConfig
    follows: str
