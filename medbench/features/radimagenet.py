"""Slice features of the RadImageNet ResNet50, as MAISI's public 2.5D FID script takes them.

The network is torchvision's, changed to version 1 of Keras': a bottleneck is strided in its first 1x1 convolution,
every convolution has a bias, and the batch norms have epsilon 1.001e-5. The names of its weights are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from medbench.features import onnx
from medbench.features.base import ExtractorInfo
from medbench.features.network import features_of_slices, file_sha256, loaded
from medbench.storage.tensors import fill, read_tensors
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    import numpy as np
    import torch

WEIGHTS = WeightFile(
    name="radimagenet-resnet50",
    file="RadImageNet-ResNet50_notop.pth",
    origin="github.com/Warvito/radimagenet-models (Google Drive 1VOWHgOq0rm7OkE_JxlWXhMAH4CvcXUHT; mind the licence)",
    url="https://drive.usercontent.google.com/download?id=1VOWHgOq0rm7OkE_JxlWXhMAH4CvcXUHT&export=download&confirm=t",
    license="RadImageNet terms of use (radimagenet.com): read them before you use or pass on the weights",
)
# ImageNet's means of channels 0, 1, 2 in BGR order; no standard deviations, no factor 255.
_MEANS = (0.406, 0.456, 0.485)
# Small batches keep the large maps of the first stages near the cores. The last stages have small maps and 94 % of the
# weights, which are laid out anew for every batch: larger batches serve them better. The fastest sizes on a CPU.
_FRONT_PIXELS = 2**18
_BACK_PIXELS = 2**20


@dataclass(frozen=True, kw_only=True)
class RadImageNetResNet50:
    """2048 features a slice: the last stage of a Keras-style ResNet50, averaged over space.

    Args:
        device: torch device.
    """

    device: str

    weights: ClassVar[WeightFile] = WEIGHTS
    info: ClassVar[ExtractorInfo] = ExtractorInfo(
        name="radimagenet-resnet50",
        version="1",
        dimension=2048,
        stand_in=False,
        license="RadImageNet terms of use",
        source="Mei et al. 2022, 10.1148/ryai.210315; port: Warvito/radimagenet-models, commit 0639bca",
        trained_on="RadImageNet: slices of CT, MR and ultrasound of a private archive",
    )
    weights_sha256 = file_sha256

    def features(self, slices: np.ndarray) -> np.ndarray:
        """Return features (n, 2048) float32 of slices (n, height, width) in 0..1, of any size.

        Another batch size changes them by 2e-6 at most.

        Raises:
            Unavailable: the weights are not here.
            CheckpointError: they are damaged or belong to another network.
        """
        front, back = batches(slices)
        forward, batch = onnx.forward_of(WEIGHTS, load, self.device), front
        if forward is None:
            forward, batch = partial(in_parts, loaded(WEIGHTS, load, self.device), step=front), back
        return features_of_slices(
            slices,
            forward,
            batch=batch,
            dimension=self.info.dimension,
            device=self.device,
        )


def batches(slices: np.ndarray) -> tuple[int, int]:
    """Return how many slices (n, height, width) go at once through the front and through the back of the network."""
    pixels = slices.shape[1] * slices.shape[2]
    return max(1, _FRONT_PIXELS // pixels), max(1, _BACK_PIXELS // pixels)


def in_parts(network: torch.nn.Sequential, slices: torch.Tensor, *, step: int) -> torch.Tensor:
    """Return features (n, 2048) of slices (n, height, width) by a network in two parts (see ``load``).

    Args:
        network: front and back.
        slices: in 0..1.
        step: slices at once through the front.
    """
    import torch

    front, back = network
    maps = [front(part.contiguous(memory_format=torch.channels_last)) for part in torch.split(slices[:, None], step)]
    found: torch.Tensor = back(torch.cat(maps))
    return found


def load(path: Path) -> torch.nn.Sequential:
    """Return the network without its head in two parts: large maps with few weights, small maps with most of them.

    Raises:
        CheckpointError: the file is damaged or belongs to another network.
    """
    import torch
    from torch import nn

    network = build()
    fill(network, read_tensors(path), path=path, name=WEIGHTS.name)
    layers = dict(without_batch_norms(network.eval()).to(memory_format=torch.channels_last).named_children())
    colours = nn.Conv2d(1, 3, kernel_size=1)  # the grey channel three times, each less its mean
    colours.weight = nn.Parameter(torch.ones(3, 1, 1, 1))
    colours.bias = nn.Parameter(-torch.tensor(_MEANS))
    front = [colours, *(layers[name] for name in ("conv1", "relu", "maxpool", "layer1", "layer2"))]
    back = [layers["layer3"], layers["layer4"], nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(nn.Sequential(*front), nn.Sequential(*back))


def build() -> torch.nn.Module:
    """Return the network, images (n, 3, h, w) to features (n, 2048), with random weights.

    Source: RadImageNet (Mei et al. 2022, 10.1148/ryai.210315); ``Warvito/radimagenet-models``, commit 0639bca.
    """
    import torch
    from torch import nn
    from torchvision.models.resnet import Bottleneck, resnet50

    network: nn.Module = resnet50(norm_layer=partial(nn.BatchNorm2d, eps=1.001e-5))
    network.fc = nn.Identity()
    for layer in network.modules():
        if isinstance(layer, Bottleneck):
            layer.conv1.stride, layer.conv2.stride = layer.conv2.stride, layer.conv1.stride
        elif isinstance(layer, nn.Conv2d):
            layer.bias = nn.Parameter(torch.zeros(layer.out_channels))
    return network


def without_batch_norms(network: torch.nn.Module) -> torch.nn.Module:
    """Fold the batch norms of a network in evaluation mode into the convolutions before them; return the network.

    It computes the same function up to rounding with half the passes over memory.
    """
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for block in network.modules():
        for (name, convolution), (after, norm) in pairwise(list(block.named_children())):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(block, name, fuse_conv_bn_eval(convolution, norm))
                setattr(block, after, nn.Identity())
    return network
