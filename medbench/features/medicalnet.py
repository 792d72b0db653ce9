"""Volume features of MedicalNet's 3D ResNets, trained to segment organs and tumours in 23 CT and MR data sets.

The networks are MONAI's, set to what their weights were trained with: stride 2 in the stem, and dilated convolutions of
2 and 4 in place of the strides of stages 3 and 4 (MONAI's own ``resnet10(pretrained=True)`` keeps strides there, so
that its features are others).

ResNet-10 sees a volume standardised over all its voxels: MedicalNet takes mean and standard deviation of the voxels
above 0 and fills the rest with noise; here nothing is random. ResNet-50 sees a volume as HA-GAN's evaluation feeds it,
as it is, in -1..1, with axes to superior, posterior and left. Neither checksum nor size of its file was at hand: the
hub is asked for both when it is fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.features.base import ExtractorInfo
from medbench.features.network import features_of_volume, file_sha256, loaded
from medbench.features.seen import superior_posterior_left
from medbench.storage.tensors import fill, read_tensors
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    import numpy as np
    import torch

WEIGHTS = WeightFile(
    name="medicalnet-resnet10",
    file="resnet_10_23dataset.pth",
    origin="huggingface.co/TencentMedicalNet/MedicalNet-Resnet10",
    url="https://huggingface.co/TencentMedicalNet/MedicalNet-Resnet10/resolve/"
    "2a0c8cd91b82beb69610b60cb76d9eb8cbf9eac7/resnet_10_23dataset.pth",
    pinned="afa8055f3e47f4a18239495d92a7abc587902c69c31c743de2b2784653b72605",
    size_bytes=57_456_599,
    license="MIT (Tencent)",
)
WEIGHTS_50 = WeightFile(
    name="medicalnet-resnet50",
    file="resnet_50.pth",
    origin="huggingface.co/TencentMedicalNet/MedicalNet-Resnet50",
    hub="TencentMedicalNet/MedicalNet-Resnet50",
    license="MIT (Tencent)",
)
_PREFIX = "module."  # left by the wrapper the weights were trained in
_MOST_VOXELS = 2**23
_MOST_VOXELS_50 = 2**24  # 256 x 256 x 256, as HA-GAN's evaluation


@dataclass(frozen=True, kw_only=True)
class MedicalNetResNet10:
    """512 features a volume: the last stage of a 3D ResNet-10, averaged over space.

    Args:
        device: torch device.
    """

    device: str

    weights: ClassVar[WeightFile] = WEIGHTS
    info: ClassVar[ExtractorInfo] = ExtractorInfo(
        name="medicalnet-resnet10",
        version="1",
        dimension=512,
        stand_in=False,
        license="MIT",
        source="Chen et al. 2019, Med3D, arXiv:1904.00625; weights resnet_10_23dataset.pth of Tencent/MedicalNet",
        sees="volumes",
        trained_on="23 public CT and MR data sets of segmentation",
    )
    weights_sha256 = file_sha256

    def features(self, voxels: np.ndarray) -> np.ndarray:
        """Return the features (512,) float32 of voxels (x, y, z) in 0..1, of any size.

        A volume of more than 2^23 voxels is averaged over blocks first (``medbench.features.shrink``); it is then
        scaled to mean 0 and standard deviation 1 (a constant one to 0).

        Raises:
            Unavailable: the weights are not here.
            CheckpointError: they are damaged or belong to another network.
        """
        network = loaded(WEIGHTS, _load, self.device)
        return features_of_volume(
            voxels, lambda volume: network(_standardised(volume)), most_voxels=_MOST_VOXELS, device=self.device
        )


@dataclass(frozen=True, kw_only=True)
class MedicalNetResNet50:
    """2048 features a volume: the last stage of a 3D ResNet-50, averaged over space; what HA-GAN's 3D FID rests on.

    Args:
        device: torch device.
    """

    device: str

    weights: ClassVar[WeightFile] = WEIGHTS_50
    info: ClassVar[ExtractorInfo] = ExtractorInfo(
        name="medicalnet-resnet50",
        version="1",
        dimension=2048,
        stand_in=False,
        license="MIT",
        source="Chen et al. 2019, Med3D, arXiv:1904.00625; weights resnet_50.pth of Tencent/MedicalNet; fed as in Sun "
        "et al. 2022, HA-GAN",
        sees="volumes",
        trained_on="23 public CT and MR data sets of segmentation",
    )
    weights_sha256 = file_sha256

    def features(self, voxels: np.ndarray) -> np.ndarray:
        """Return the features (2048,) float32 of voxels (x, y, z) in 0..1, of any size.

        A volume of more than 2^24 voxels is averaged over blocks first; it is then mapped to -1..1.

        Raises:
            Unavailable: the weights are not here.
            CheckpointError: they are damaged or belong to another network.
        """
        network = loaded(WEIGHTS_50, _load_50, self.device)
        return features_of_volume(
            voxels,
            lambda volume: network(2 * superior_posterior_left(volume) - 1),
            most_voxels=_MOST_VOXELS_50,
            device=self.device,
        )


def _standardised(volume: torch.Tensor) -> torch.Tensor:
    import torch

    spread, mean = torch.std_mean(volume.double(), correction=0)
    centred = volume - mean.float()
    return centred / spread.float() if spread > 0 else torch.zeros_like(volume)


def _load(path: Path) -> torch.nn.Module:
    return _filled(build(), path, WEIGHTS)


def _load_50(path: Path) -> torch.nn.Module:
    return _filled(build_50(), path, WEIGHTS_50)


def _filled(network: torch.nn.Module, path: Path, weights: WeightFile) -> torch.nn.Module:
    tensors = read_tensors(path, under=None if path.suffix == ".safetensors" else "state_dict")
    state = {key.removeprefix(_PREFIX): tensor for key, tensor in tensors.items()}
    fill(network, state, path=path, name=weights.name)
    return network


def build() -> torch.nn.Module:
    """Return ResNet-10 (n, 1, x, y, z) to (n, 512) with random weights."""
    from monai.networks.nets.resnet import resnet10

    return _as_trained(resnet10)


def build_50() -> torch.nn.Module:
    """Return ResNet-50 (n, 1, x, y, z) to (n, 2048) with random weights."""
    from monai.networks.nets.resnet import resnet50

    return _as_trained(resnet50)


def _as_trained(resnet: Callable[..., torch.nn.Module]) -> torch.nn.Module:
    from torch import nn

    network = resnet(
        spatial_dims=3,
        n_input_channels=1,
        conv1_t_stride=2,
        shortcut_type="B",
        bias_downsample=False,
        feed_forward=False,
    )
    for stage, dilation in (("layer3", 2), ("layer4", 4)):
        for layer in network.get_submodule(stage).modules():
            if isinstance(layer, nn.Conv3d):
                layer.stride = (1, 1, 1)
                if layer.kernel_size == (3, 3, 3):
                    layer.dilation = layer.padding = (dilation, dilation, dilation)
    return network
