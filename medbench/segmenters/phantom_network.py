"""The network of the phantom's segmenter: a small 3D U-Net."""

from __future__ import annotations

import torch  # noqa: TID253  imported only by what segments or trains
from torch import nn  # noqa: TID253  as above

WIDTHS = (8, 16, 32, 32)
# Every axis is halved once a level but the first.
MULTIPLE = 2 ** (len(WIDTHS) - 1)


def _pair(inputs: int, outputs: int) -> nn.Sequential:
    """Return two convolutions with instance normalisation."""
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [
            nn.Conv3d(width, outputs, 3, padding=1, bias=False),
            nn.InstanceNorm3d(outputs, affine=True),
            nn.LeakyReLU(0.01, inplace=True),
        ]
    return nn.Sequential(*layers)


class PhantomUnet(nn.Module):
    """A U-Net that begins at full resolution.

    Args:
        classes: number of labels, background included.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.down = nn.ModuleList(_pair(inputs, outputs) for inputs, outputs in zip((1, *WIDTHS), WIDTHS))
        pairs = list(zip(WIDTHS[:0:-1], WIDTHS[-2::-1]))
        self.upsample = nn.ModuleList(nn.ConvTranspose3d(inputs, outputs, 2, stride=2) for inputs, outputs in pairs)
        self.up = nn.ModuleList(_pair(2 * outputs, outputs) for _, outputs in pairs)
        self.head = nn.Conv3d(WIDTHS[0], classes, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes, x, y, z) of images (n, 1, x, y, z) in -1..1; axes: multiples of ``MULTIPLE``."""
        features = image
        skips: list[torch.Tensor] = []
        for level, pair in enumerate(self.down):
            features = pair(features if level == 0 else nn.functional.max_pool3d(features, 2))
            skips.append(features)
        for upsample, pair, skip in zip(self.upsample, self.up, skips[-2::-1]):
            features = pair(torch.cat([upsample(features), skip], dim=1))
        logits: torch.Tensor = self.head(features)
        return logits
