"""Slice features of DINOv2's ViT-S/14: natural images, no labels, hence a second opinion beside medical networks.

A slice of any size is resized to 224 x 224 pixels (bicubic, antialiased where it shrinks, clipped to 0..1 again),
repeated to three channels and scaled by ImageNet's means and standard deviations: the input of the FD-DINOv2 that
compares generators of natural images (Stein et al. 2023). A plane that is not square is stretched; both sides alike.

The network is timm's with the official weights. Its position embeddings of 37 x 37 patches are interpolated to
16 x 16 as the official code does it: bicubic, by the factor (16 + 0.1) / 37, without antialiasing.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.errors import CheckpointError
from medbench.features.base import ExtractorInfo
from medbench.features.network import features_of_slices, file_sha256, loaded
from medbench.storage.tensors import fill, read_tensors
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    import numpy as np
    import torch

WEIGHTS = WeightFile(
    name="dinov2-vits14",
    file="dinov2_vits14_pretrain.pth",
    origin="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
    url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_pretrain.pth",
    pinned="b938bf1bc15cd2ec0feacfe3a1bb553fe8ea9ca46a7e1d8d00217f29aef60cd9",
    size_bytes=88_283_115,
    license="Apache-2.0 (Meta)",
)
SIDE = 224
_PATCHES = SIDE // 14
_MEANS = (0.485, 0.456, 0.406)
_DEVIATIONS = (0.229, 0.224, 0.225)
_BATCH = 16


@dataclass(frozen=True, kw_only=True)
class DinoV2ViTS14:
    """384 features a slice: the class token of a ViT-S/14 after its last norm.

    Args:
        device: torch device.
    """

    device: str

    weights: ClassVar[WeightFile] = WEIGHTS
    info: ClassVar[ExtractorInfo] = ExtractorInfo(
        name="dinov2-vits14",
        version="1",
        dimension=384,
        stand_in=False,
        license="Apache-2.0",
        source="Oquab et al. 2023, arXiv:2304.07193; as a distance: Stein et al. 2023, arXiv:2306.04675",
        trained_on="LVD-142M: natural images, without labels",
    )
    weights_sha256 = file_sha256

    def features(self, slices: np.ndarray) -> np.ndarray:
        """Return features (n, 384) float32 of slices (n, height, width) in 0..1, of any size.

        Raises:
            Unavailable: the weights are not here.
            CheckpointError: they are damaged or belong to another network.
        """
        network = loaded(WEIGHTS, _build, self.device)
        dimension = self.info.dimension
        return features_of_slices(
            slices, lambda some: network(prepared(some)), batch=_BATCH, dimension=dimension, device=self.device
        )


def prepared(slices: torch.Tensor) -> torch.Tensor:
    """Return what the network sees of slices (n, height, width) in 0..1: (n, 3, 224, 224)."""
    import torch
    from torch.nn.functional import interpolate

    grey = slices[:, None]
    if grey.shape[2:] != (SIDE, SIDE):
        grey = interpolate(grey, size=(SIDE, SIDE), mode="bicubic", antialias=True).clip(0.0, 1.0)
    means, deviations = (
        torch.tensor(values, device=slices.device).view(1, 3, 1, 1) for values in (_MEANS, _DEVIATIONS)
    )
    return (grey - means) / deviations


def _build(path: Path) -> torch.nn.Module:
    with warnings.catch_warnings():
        # timm decorates functions with torch.jit when it is imported, which recent versions of torch deprecate.
        warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
        warnings.filterwarnings("ignore", category=DeprecationWarning, module="torch")
        import timm
    network: torch.nn.Module = timm.create_model(
        "vit_small_patch14_dinov2", pretrained=False, num_classes=0, img_size=SIDE
    )
    state = read_tensors(path)
    state.pop("mask_token", None)  # serves pretraining only
    positions = state.get("pos_embed")
    if positions is None or positions.ndim != 3 or positions.shape[1] < 2:
        raise CheckpointError(f"{path} does not belong to {WEIGHTS.name}: it has no position embeddings")
    state["pos_embed"] = resampled_positions(positions)
    fill(network, state, path=path, name=WEIGHTS.name)
    return network


def resampled_positions(positions: torch.Tensor) -> torch.Tensor:
    """Return position embeddings (1, 257, d), of 16 x 16 patches, of those of m x m: (1, 1 + m², d), class token first.

    Raises:
        CheckpointError: the patches form no square.

    Source: facebookresearch/dinov2, dinov2/models/vision_transformer.py, interpolate_pos_encoding.
    """
    import torch
    from torch.nn.functional import interpolate

    side = round((positions.shape[1] - 1) ** 0.5)
    if side**2 != positions.shape[1] - 1:
        raise CheckpointError(f"{positions.shape[1] - 1} position embeddings form no square: these are other weights")
    patches = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2).float()
    factor = (_PATCHES + 0.1) / side
    patches = interpolate(patches, scale_factor=(factor, factor), mode="bicubic")
    return torch.cat([positions[:, :1].float(), patches.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
