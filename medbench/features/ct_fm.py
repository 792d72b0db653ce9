"""Volume features of CT-FM, trained without labels on 148,000 CT series of the Imaging Data Commons.

The network is MONAI's ``SegResEncoder``; the feature is the mean over space of its last level (512 channels, stride
16). CT-FM reads arrays whose axes run to superior, posterior and left, HU of -1024 to 2048 as 0 to 1; it was trained on
patches of 32 x 128 x 128 voxels of 3 x 1 x 1 mm (z first). Volumes are resampled to that spacing and cropped about the
centre to at most 320 x 320 x 384 mm. Nothing is padded, and nothing is cropped to the body, which the model's card
does: that crop would depend on each side's background.

Neither checksum nor size of the published file was at hand: the hub is asked for both when it is fetched. That the file
fits is made sure when it is loaded, tensor by tensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final

from medbench.features.base import ExtractorInfo
from medbench.features.network import features_of_volume, file_sha256, loaded
from medbench.features.seen import superior_posterior_left
from medbench.spec import Grid, Window
from medbench.storage.tensors import fill, read_tensors
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    import numpy as np
    import torch

WEIGHTS = WeightFile(
    name="ct-fm",
    file="ct_fm_feature_extractor.safetensors",
    origin="huggingface.co/project-lighter/ct_fm_feature_extractor",
    hub="project-lighter/ct_fm_feature_extractor",
    hub_file="model.safetensors",
    license="Apache-2.0 by the model's card (code: MIT)",
)
_MOST_VOXELS = 2**24  # 320 x 320 x 128 is less: its own grid is never averaged down
_SLAB: Final = 16  # axial slices of the first level at once
_HALO: Final = 4  # slices beside them that its four convolutions see


@dataclass(frozen=True, kw_only=True)
class CtFm:
    """512 features a volume: the last level of CT-FM's encoder, averaged over space.

    Args:
        device: torch device.
    """

    device: str

    weights: ClassVar[WeightFile] = WEIGHTS
    info: ClassVar[ExtractorInfo] = ExtractorInfo(
        name="ct-fm",
        version="1",
        dimension=512,
        stand_in=False,
        license=WEIGHTS.license,
        source="Pai et al. 2025, arXiv:2501.09001; weights project-lighter/ct_fm_feature_extractor",
        sees="volumes",
        grid=Grid(shape=(320, 320, 128), spacing_mm=(1.0, 1.0, 3.0), fit="crop"),
        window=Window(low=-1024, high=2048),
        trained_on="every public CT series of the Imaging Data Commons v14 of more than 50 slices of 1 to 5 mm, no "
        "collection left out: LIDC-IDRI (hence most of LUNA16) and NLST among them",
    )
    weights_sha256 = file_sha256

    def features(self, voxels: np.ndarray) -> np.ndarray:
        """Return the features (512,) float32 of voxels (x, y, z) in 0..1, of any size.

        Along an axis of fewer than 16 voxels the last level has one position.

        Raises:
            Unavailable: the weights are not here.
            CheckpointError: they are damaged or belong to another network.
        """
        network = loaded(WEIGHTS, _load, self.device)
        return features_of_volume(
            voxels,
            lambda volume: _pooled(network, superior_posterior_left(volume)),
            most_voxels=_MOST_VOXELS,
            device=self.device,
        )


def _pooled(network: Any, volume: torch.Tensor) -> torch.Tensor:
    """Return the spatial means (n, 512) of the last level of (n, 1, z, y, x).

    The first level, by far the largest, is computed in slabs of axial slices: with ``_HALO`` slices around them the
    result is that of the whole volume.
    """
    import torch

    first, *others = network.layers
    depth, slabs = volume.shape[2], []
    for start in range(0, depth, _SLAB):
        low, stop = max(0, start - _HALO), min(depth, start + _SLAB)
        seen = volume[:, :, low : min(depth, stop + _HALO)]
        hidden = first["downsample"](first["blocks"](network.conv_init(seen)))
        slabs.append(hidden[:, :, (start - low) // 2 : (stop - low + 1) // 2])
    hidden = torch.cat(slabs, dim=2)
    for level in others:
        hidden = level["downsample"](level["blocks"](hidden))  # the last level's changes nothing
    pooled: torch.Tensor = hidden.mean(dim=(2, 3, 4))
    return pooled


def _load(path: Path) -> torch.nn.Module:
    network = build()
    fill(network, read_tensors(path), path=path, name=WEIGHTS.name)
    return network


def build() -> torch.nn.Module:
    """Return the encoder with random weights."""
    from monai.networks.nets.segresnet_ds import SegResEncoder

    network: torch.nn.Module = SegResEncoder(
        spatial_dims=3, in_channels=1, init_filters=32, blocks_down=(1, 2, 2, 4, 4)
    )
    return network
