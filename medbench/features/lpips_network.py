"""The network of LPIPS: activations of a backbone for photographs, compared layer by layer under learnt weights.

The linear layers lie beside this file (``lpips.safetensors``): version 0.1 of those that the authors published, under
the BSD-2-Clause licence of ``lpips.LICENSE``. The backbone is torchvision's, without weights until some are loaded.

Source: Zhang et al. 2018, arXiv:1801.03924; https://github.com/richzhang/PerceptualSimilarity.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import torch  # noqa: TID253  imported only where LPIPS is computed

from medbench.storage.tensors import read_tensors

Backbone = Literal["alex", "squeeze"]

LAYERS: Final[dict[Backbone, tuple[int, ...]]] = {
    "alex": (1, 4, 7, 9, 11),
    "squeeze": (1, 4, 7, 9, 10, 11, 12),
}
"""Which modules of torchvision's ``features`` are compared: the rectified outputs of every block."""

# Images in -1..1 to what the linear layers were learnt with, a channel each of red, green and blue.
_SHIFT: Final = (-0.030, -0.088, -0.188)
_SCALE: Final = (0.458, 0.448, 0.450)
_TINY: Final = 1e-10
_WEIGHTS: Final = Path(__file__).with_name("lpips.safetensors")


class LpipsNetwork(torch.nn.Module):
    """LPIPS with the published linear layers and a backbone whose weights are random.

    Args:
        backbone: AlexNet or SqueezeNet 1.1.
    """

    shift: torch.Tensor
    scale: torch.Tensor

    def __init__(self, backbone: Backbone) -> None:
        from torchvision import models

        super().__init__()
        make = models.alexnet if backbone == "alex" else models.squeezenet1_1
        self.layers = LAYERS[backbone]
        # What follows the last layer (a pool, the classifier) is not needed.
        self.features = make(weights=None).features[: self.layers[-1] + 1]
        learnt = read_tensors(_WEIGHTS)
        heads = [learnt[f"{backbone}.{index}"].reshape(1, -1, 1, 1) for index in range(len(self.layers))]
        self.heads = torch.nn.ParameterList(heads)
        self.register_buffer("shift", torch.tensor(_SHIFT).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("scale", torch.tensor(_SCALE).reshape(1, 3, 1, 1), persistent=False)
        self.eval()

    def forward(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Return the distance of each pair of images, (n,); images are (n, 3, height, width) in -1..1."""
        total = one.new_zeros(len(one))
        for head, a, b in zip(self.heads, self._activations(one), self._activations(other)):
            total = total + torch.nn.functional.conv2d((a - b).square(), head).mean(dim=(1, 2, 3))
        return total

    def _activations(self, images: torch.Tensor) -> Iterator[torch.Tensor]:
        """Yield the activations of every layer, of unit length at each position."""
        found = (images - self.shift) / self.scale
        for index, module in enumerate(self.features):
            found = module(found)
            if index in self.layers:
                yield found / (found.square().sum(dim=1, keepdim=True).sqrt() + _TINY)
