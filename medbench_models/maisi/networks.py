"""MAISI's networks, on MONAI's own classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import torch
from monai.apps.generation.maisi.networks.autoencoderkl_maisi import (
    AutoencoderKlMaisi,
    MaisiConvolution,
    MaisiGroupNorm3D,
)
from monai.apps.generation.maisi.networks.controlnet_maisi import ControlNetMaisi
from monai.apps.generation.maisi.networks.diffusion_model_unet_maisi import DiffusionModelUNetMaisi
from torch import nn

from medbench.errors import DataError
from medbench.training.checkpointing import checkpoint_activations
from medbench_models.maisi.config import AutoencoderConfig, NetworkConfig
from medbench_models.shared.attention import use_attention
from medbench_models.shared.config import DiffusionConfig

State = Mapping[str, torch.Tensor]

CT: Final = 1  # among MAISI's modalities
REGIONS: Final = ("head", "chest", "abdomen", "pelvis")
BITS: Final = 8  # of a label
_SPLIT_AXIS: Final = 1
_FEWEST_POSITIONS: Final = 3


class Autoencoder(AutoencoderKlMaisi):
    """MAISI's KL autoencoder, of images (n, 1, x, y, z) in 0..1; its state-dict names are MONAI's.

    MONAI's norm computes in float32, group by group, and joins the groups on the CPU where an axis has 500 voxels:
    PyTorch's own gives the same numbers and needs neither.

    Args:
        config: architecture.
    """

    def __init__(self, config: AutoencoderConfig) -> None:
        super().__init__(
            spatial_dims=3,
            in_channels=1,
            out_channels=1,
            latent_channels=config.latent_channels,
            num_channels=config.channels,
            num_res_blocks=config.res_blocks,
            norm_num_groups=config.norm_groups,
            norm_eps=1e-6,
            attention_levels=[False] * len(config.channels),
            with_encoder_nonlocal_attn=False,
            with_decoder_nonlocal_attn=False,
            num_splits=1,
            dim_split=_SPLIT_AXIS,
            save_mem=False,
        )
        self.config = config
        self.latent_channels = config.latent_channels
        self.factor = config.factor
        for parent in list(self.modules()):
            for name, norm in parent.named_children():
                if isinstance(norm, MaisiGroupNorm3D):
                    setattr(parent, name, nn.GroupNorm(norm.num_groups, norm.num_channels, norm.eps))

    def split(self, count: int) -> None:
        """Let every convolution work in ``count`` parts along y from now on, which costs time and saves memory."""
        for module in self.modules():
            if isinstance(module, MaisiConvolution):
                module.num_splits = count


def splits_are_exact(length: int, count: int, *, factor: int) -> bool:
    """Say whether an image of ``length`` voxels along y keeps all of them when convolutions work in ``count`` parts.

    MONAI raises where the parts are too thin, and loses rows without an error where they do not halve evenly.

    >>> splits_are_exact(64, 4, factor=4), splits_are_exact(60, 2, factor=4), splits_are_exact(64, 8, factor=4)
    (True, False, False)
    """
    return count == 1 or (length % (factor * count) == 0 and length // (factor * count) >= _FEWEST_POSITIONS)


def require_exact_splits(length: int, count: int, *, factor: int) -> None:
    """Refuse to split what cannot be split; see ``splits_are_exact``.

    Raises:
        DataError: the message names the most parts that are possible.
    """
    if not splits_are_exact(length, count, factor=factor):
        most = next(fewer for fewer in range(count - 1, 0, -1) if splits_are_exact(length, fewer, factor=factor))
        raise DataError(
            f"{length} voxels along y cannot be convolved in {count} parts (num_splits) without losing rows: "
            f"take {most}"
        )


class Denoiser(nn.Module):
    """The U-Net with what it is told beside latent and time.

    Args:
        network: architecture.
    """

    def __init__(self, network: NetworkConfig) -> None:
        super().__init__()
        config = network.unet
        self.unet = DiffusionModelUNetMaisi(
            spatial_dims=3,
            in_channels=network.autoencoder.latent_channels,
            out_channels=network.autoencoder.latent_channels,
            include_spacing_input=True,
            include_top_region_index_input=config.body_regions,
            include_bottom_region_index_input=config.body_regions,
            use_flash_attention=False,  # the constructor demands a GPU for what PyTorch has everywhere
            **_shared(network),
        )
        use_attention(self.unet, "sdpa")
        self.config = config

    def forward(
        self,
        latent: torch.Tensor,
        times: torch.Tensor,
        spacing: torch.Tensor,
        regions: torch.Tensor,
        residuals: tuple[list[torch.Tensor], torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """Return the prediction for noisy latents.

        Args:
            latent: (n, c, x, y, z).
            times: (n,) 0 .. 1000.
            spacing: (n, 3) mm along x, y, z.
            regions: (n, 2) indices of ``REGIONS``, the uppermost and the lowest; only some networks are told them.
            residuals: of a ControlNet; MONAI adds to them in place.
        """
        told: dict[str, object] = {"spacing_tensor": (self.config.told_as * spacing).to(latent.dtype)}
        if self.config.body_regions:
            ends = self.config.told_as * nn.functional.one_hot(regions.long(), len(REGIONS)).to(latent.dtype)
            told |= {"top_region_index_tensor": ends[:, 0], "bottom_region_index_tensor": ends[:, 1]}
        if residuals is not None:
            told |= {"down_block_additional_residuals": residuals[0], "mid_block_additional_residual": residuals[1]}
        found: torch.Tensor = self.unet(latent, times, class_labels=modality(self.config.classes, latent), **told)
        return found


class Steered(nn.Module):
    """A ControlNet with the frozen denoiser that it steers; its parameters are the ControlNet's alone."""

    def __init__(self, controlnet: ControlNetMaisi, denoiser: Denoiser) -> None:
        super().__init__()
        self.controlnet = controlnet
        self._frozen = (denoiser.eval().requires_grad_(False),)  # in a tuple, it is no part of this module

    @property
    def denoiser(self) -> Denoiser:
        """The denoiser, which has to be placed on a device by itself."""
        return self._frozen[0]

    def without_embedding(self) -> nn.Module:
        """Return the embedding of label maps; from now on ``forward`` takes what that has made of the bits."""
        embedding = self.controlnet.controlnet_cond_embedding
        self.controlnet.controlnet_cond_embedding = nn.Identity()
        return embedding

    def forward(
        self,
        latent: torch.Tensor,
        times: torch.Tensor,
        spacing: torch.Tensor,
        regions: torch.Tensor,
        bits: torch.Tensor,
    ) -> torch.Tensor:
        """Return the prediction, steered by the bits (n, 8, factor x, ...) of label maps; see ``Denoiser``."""
        told = modality(self.denoiser.config.classes, latent)
        residuals = self.controlnet(latent, times, bits, class_labels=told)
        return self.denoiser(latent, times, spacing, regions, residuals)


def modality(classes: int | None, latent: torch.Tensor) -> torch.Tensor | None:
    """Return the label CT for each latent; None for networks that know no modalities."""
    return None if classes is None else torch.full((len(latent),), CT, dtype=torch.int64, device=latent.device)


def build_controlnet(network: NetworkConfig, *, checkpointing: bool = False) -> ControlNetMaisi:
    """Return the ControlNet of a network that has one.

    Args:
        network: architecture.
        checkpointing: compute the embedding of label maps again in the backward pass.
    """
    assert network.controlnet is not None  # the caller asked
    controlnet = ControlNetMaisi(
        spatial_dims=3,
        in_channels=network.autoencoder.latent_channels,
        conditioning_embedding_in_channels=BITS,
        conditioning_embedding_num_channels=network.controlnet.embedding_channels,
        use_checkpointing=checkpointing,
        use_flash_attention=False,
        **_shared(network),
    )
    use_attention(controlnet, "sdpa")
    return controlnet


def build_trained(network: NetworkConfig, config: DiffusionConfig, unet: State | None) -> Denoiser | Steered:
    """Return what stage 2 trains, or with the U-Net's weights what stage 3 does: a ControlNet that begins with them.

    Args:
        network: architecture.
        config: training settings.
        unet: of the denoiser that is steered, which stays as it is.
    """
    denoiser = Denoiser(network)
    trained: Denoiser | Steered = denoiser
    if unet is not None:
        denoiser.unet.load_state_dict(unet)
        trained = Steered(build_controlnet(network, checkpointing=config.checkpointing), denoiser)
        _begin_with(trained.controlnet, denoiser.unet)
    if config.checkpointing:
        checkpoint_activations(layer for part in parts_of(trained) for layer in _layers_of(part))
    return trained


def parts_of(trained: Denoiser | Steered) -> list[DiffusionModelUNetMaisi | ControlNetMaisi]:
    """Return the U-Net, and the ControlNet before it where there is one."""
    return [trained.controlnet, trained.denoiser.unet] if isinstance(trained, Steered) else [trained.unet]


def _begin_with(controlnet: ControlNetMaisi, unet: DiffusionModelUNetMaisi) -> None:
    """Give a ControlNet the weights of the U-Net's encoder, where names and shapes are the same."""
    own = controlnet.state_dict()
    shared = {name: one for name, one in unet.state_dict().items() if name in own and own[name].shape == one.shape}
    controlnet.load_state_dict({**own, **shared})


def _layers_of(network: DiffusionModelUNetMaisi | ControlNetMaisi) -> Iterator[nn.Module]:
    ups = network.up_blocks if isinstance(network, DiffusionModelUNetMaisi) else ()
    for block in (*network.down_blocks, *ups):
        yield from block.resnets
    yield network.middle_block.resnet_1
    yield network.middle_block.resnet_2


def _shared(network: NetworkConfig) -> dict[str, object]:
    config = network.unet
    return {
        "num_channels": config.channels,
        "num_res_blocks": config.res_blocks,
        "attention_levels": config.attention,
        "num_head_channels": config.head_channels,
        "norm_num_groups": config.norm_groups,
        "num_class_embeds": config.classes,
        "resblock_updown": config.resblock_updown,
        "include_fc": config.include_fc,
    }
