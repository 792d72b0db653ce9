"""The ResNet50 of RadImageNet: Keras' version 1, with the state-dict names of ``Warvito/radimagenet-models``.

It differs from torchvision's: a bottleneck is strided in its first 1x1 convolution, every convolution has a bias, and
the batch norms have epsilon 1.001e-5. Import it where it is used: it loads torch.
"""

from __future__ import annotations

from typing import Any

import torch  # noqa: TID253  a network module, imported lazily by radimagenet.py
from torch import nn  # noqa: TID253  likewise
from torch.nn.utils.fusion import fuse_conv_bn_eval  # noqa: TID253  likewise

_EPSILON = 1.001e-5
_STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))  # blocks, width, stride
_EXPANSION = 4


class _Bottleneck(nn.Module):
    def __init__(self, channels: int, width: int, *, stride: int, projection: bool) -> None:
        super().__init__()
        outputs = width * _EXPANSION
        self.conv1 = nn.Conv2d(channels, width, 1, stride=stride)
        self.bn1 = nn.BatchNorm2d(width, eps=_EPSILON)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(width, eps=_EPSILON)
        self.conv3 = nn.Conv2d(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs, eps=_EPSILON)
        self.downsample: nn.Module = (
            nn.Sequential(nn.Conv2d(channels, outputs, 1, stride=stride), nn.BatchNorm2d(outputs, eps=_EPSILON))
            if projection
            else nn.Identity()
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu_(self.bn1(self.conv1(images)))
        hidden = torch.relu_(self.bn2(self.conv2(hidden)))
        return torch.relu_(self.bn3(self.conv3(hidden)).add_(self.downsample(images)))


def _stage(channels: int, *, blocks: int, width: int, stride: int) -> nn.Sequential:
    first = _Bottleneck(channels, width, stride=stride, projection=True)
    others = [_Bottleneck(width * _EXPANSION, width, stride=1, projection=False) for _ in range(blocks - 1)]
    return nn.Sequential(first, *others)


class KerasResNet50(nn.Module):
    """ResNet50 without its head: images (n, 3, h, w) to maps (n, 2048, ceil(h/32), ceil(w/32)).

    Source: RadImageNet (Mei et al. 2022, 10.1148/ryai.210315); ``Warvito/radimagenet-models``, commit 0639bca.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(64, eps=_EPSILON)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = 64
        for number, (blocks, width, stride) in enumerate(_STAGES, start=1):
            self.add_module(f"layer{number}", _stage(channels, blocks=blocks, width=width, stride=stride))
            channels = width * _EXPANSION

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the last stage's maps."""
        return self.back(self.front(images))

    def front(self, images: torch.Tensor) -> torch.Tensor:
        """Return the maps (n, 512, h/8, w/8) of the second stage: large maps, a sixteenth of the weights."""
        hidden: torch.Tensor = self.maxpool(torch.relu_(self.bn1(self.conv1(images))))
        for stage in ("layer1", "layer2"):
            hidden = self.get_submodule(stage)(hidden)
        return hidden

    def back(self, maps: torch.Tensor) -> torch.Tensor:
        """Return the last stage's maps of the second stage's: small maps, most of the weights."""
        for stage in ("layer3", "layer4"):
            maps = self.get_submodule(stage)(maps)
        return maps


def without_batch_norms(network: KerasResNet50) -> KerasResNet50:
    """Fold the batch norms of a network in evaluation mode into the convolutions before them; return the network.

    It computes the same function up to rounding with half the passes over memory, and its state dict has other names.
    """
    for block in network.modules():
        for number in (1, 2, 3):
            if isinstance(convolution := getattr(block, f"conv{number}", None), nn.Conv2d):
                norm = getattr(block, f"bn{number}")
                setattr(block, f"conv{number}", fuse_conv_bn_eval(convolution, norm))
                setattr(block, f"bn{number}", nn.Identity())
        if isinstance(block, _Bottleneck) and isinstance(block.downsample, nn.Sequential):
            projection: Any = block.downsample  # the types of what a Sequential holds are not declared
            block.downsample = fuse_conv_bn_eval(projection[0], projection[1])
    return network
