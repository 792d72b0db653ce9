"""The ResNet50 of RadImageNet: Keras' version 1, with the state-dict names of ``Warvito/radimagenet-models``.

It differs from torchvision's: a bottleneck is strided in its first 1x1 convolution, every convolution has a bias, and
the batch norms have epsilon 1.001e-5. Import it where it is used: it loads torch.
"""

from __future__ import annotations

import torch  # noqa: TID253  a network module, imported lazily by radimagenet.py
from torch import nn  # noqa: TID253  likewise

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
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, outputs, 1, stride=stride), nn.BatchNorm2d(outputs, eps=_EPSILON))
            if projection
            else nn.Identity()
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = torch.relu(self.bn1(self.conv1(images)))
        hidden = torch.relu(self.bn2(self.conv2(hidden)))
        return torch.relu(self.bn3(self.conv3(hidden)) + self.downsample(images))


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
        hidden: torch.Tensor = self.maxpool(torch.relu(self.bn1(self.conv1(images))))
        for number in range(1, len(_STAGES) + 1):
            hidden = self.get_submodule(f"layer{number}")(hidden)
        return hidden
