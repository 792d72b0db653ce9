"""The light ControlNet: half the U-Net's channels, trained from scratch, steering a frozen U-Net by label maps.

It differs from MONAI's ``ControlNet`` in three ways: its projections lead from its own widths to the U-Net's, its
conditioning embedding starts with a strided convolution, and its attention may be a transformer block as wide as its
level, without any context.

Source: MedLoRD, arXiv 2503.13211, section 3; layer sizes compared with Cardio-AI/medlord, commit ee9f359.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from monai.networks.nets import DiffusionModelUNet
from monai.networks.nets.diffusion_model_unet import get_down_block, get_mid_block, get_timestep_embedding
from torch import nn

from medbench_models.medlord.config import ControlNetConfig, UnetConfig
from medbench_models.shared.condition_embedding import ConditionEmbedding, zeroed


class ControlNet(nn.Module):
    """Residuals for a U-Net's skip connections and middle block, from label maps.

    Args:
        config: widths relative to the U-Net, embedding, attention.
        unet: the U-Net that is steered.
        latent_channels: channels of the latent.
    """

    def __init__(self, config: ControlNetConfig, unet: UnetConfig, latent_channels: int) -> None:
        super().__init__()
        widths = [max(1, int(channels * config.ratio)) for channels in unet.channels]
        self.first_width = widths[0]
        self.conv_in = nn.Conv3d(latent_channels, widths[0], 3, padding=1)
        self.time_embed = nn.Sequential(
            nn.Linear(widths[0], 4 * widths[0]), nn.SiLU(), nn.Linear(4 * widths[0], 4 * widths[0])
        )
        self.embedding = ConditionEmbedding(
            len(config.regions), config.embedding_channels, widths[0], stride=config.embedding_stride
        )
        self.down_blocks = nn.ModuleList(_down_blocks(config, unet, widths))
        self.middle_block = get_mid_block(
            in_channels=widths[-1], with_conditioning=config.transformers, num_head_channels=config.head_channels[-1],
            **_shared(config, widths),
        )  # fmt: skip
        self.projections = nn.ModuleList(zeroed(nn.Conv3d(*pair, 1)) for pair in _projections(unet, widths))
        self.middle_projection = zeroed(nn.Conv3d(widths[-1], unet.channels[-1], 1))

    def forward(
        self, latent: torch.Tensor, steps: torch.Tensor, masks: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return residuals for each of the U-Net's skip connections, and for its middle block.

        Args:
            latent: noisy latents (n, c, x, y, z).
            steps: (n,) time steps.
            masks: (n, regions, factor x, factor y, factor z), 0 or 1.
        """
        return self.residuals(latent, steps, self.embedding(masks))

    def residuals(
        self, latent: torch.Tensor, steps: torch.Tensor, embedded: torch.Tensor
    ) -> tuple[list[torch.Tensor], torch.Tensor]:
        """Return what ``forward`` does, from masks that were embedded before: sampling does so once for all steps.

        Args:
            latent: noisy latents (n, c, x, y, z).
            steps: (n,) time steps.
            embedded: (n, c', x, y, z), the result of ``embedding``.
        """
        time = self.time_embed(get_timestep_embedding(steps, self.first_width).to(latent))
        hidden = self.conv_in(latent) + embedded
        kept = [hidden]
        for block in self.down_blocks:
            hidden, outputs = block(hidden_states=hidden, temb=time, context=None)
            kept += outputs
        hidden = self.middle_block(hidden_states=hidden, temb=time, context=None)
        residuals = [projection(one) for projection, one in zip(self.projections, kept, strict=True)]
        return residuals, self.middle_projection(hidden)


class Steered(nn.Module):
    """A ControlNet with the frozen U-Net that it steers; its parameters are the ControlNet's alone."""

    def __init__(self, controlnet: ControlNet, unet: DiffusionModelUNet) -> None:
        super().__init__()
        self.controlnet = controlnet
        self._frozen = (unet.eval().requires_grad_(False),)  # in a tuple, it is no part of this module

    @property
    def unet(self) -> DiffusionModelUNet:
        """The U-Net, which has to be placed on a device by itself."""
        return self._frozen[0]

    def forward(self, latent: torch.Tensor, steps: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Return the velocity of noisy latents (n, c, x, y, z) at time steps (n,), steered by masks."""
        return self.velocity(latent, steps, self.controlnet.embedding(masks))

    def velocity(self, latent: torch.Tensor, steps: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        """Return the velocity, steered by masks that were embedded before (see ``ControlNet.residuals``)."""
        residuals, middle = self.controlnet.residuals(latent, steps, embedded)
        velocity: torch.Tensor = self.unet(
            latent, steps, down_block_additional_residuals=tuple(residuals), mid_block_additional_residual=middle
        )
        return velocity


def _shared(config: ControlNetConfig, widths: Sequence[int]) -> dict[str, object]:
    return {
        "spatial_dims": 3,
        "temb_channels": 4 * widths[0],
        "norm_num_groups": config.norm_groups,
        "norm_eps": 1e-6,
        "transformer_num_layers": 1,
        "cross_attention_dim": None,  # without a context the second attention sees the level's own features
        "include_fc": config.transformers,  # plain attention blocks have no output projection, as in the U-Net
        "use_flash_attention": True,
    }


def _down_blocks(config: ControlNetConfig, unet: UnetConfig, widths: Sequence[int]) -> Iterator[nn.Module]:
    for level, (before, width) in enumerate(zip([widths[0], *widths], widths)):
        yield get_down_block(
            in_channels=before, out_channels=width, num_res_blocks=unet.res_blocks,
            add_downsample=level < len(widths) - 1, resblock_updown=False,
            with_attn=unet.attention[level] and not config.transformers,
            with_cross_attn=unet.attention[level] and config.transformers,
            num_head_channels=config.head_channels[level], **_shared(config, widths),
        )  # fmt: skip


def _projections(unet: UnetConfig, widths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield widths in and out: after the input, after each residual block, after each down-sampling."""
    yield widths[0], unet.channels[0]
    for level, pair in enumerate(zip(widths, unet.channels)):
        last = level == len(widths) - 1
        yield from [pair] * (unet.res_blocks + (not last))
