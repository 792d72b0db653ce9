"""LPIPS of 3D volumes, slice by slice in the protocol's planes (LPIPS is defined for 2D images).

The learnt linear layers are shipped (``lpips_network``); the weights of the AlexNet below them are torchvision's and
have to be here already: nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medbench.imaging.slices import plane_view
from medbench.storage.tensors import fill, read_tensors
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    import torch

    from medbench.features.lpips_network import Backbone, LpipsNetwork
    from medbench.spec import Plane

BACKBONE = WeightFile(
    name="lpips-alexnet",
    file="alexnet-owt-7be5be79.pth",
    origin="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    pinned="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    size_bytes=244_408_911,
    license="BSD-3-Clause (torchvision)",
)
SQUEEZENET = WeightFile(
    name="lpips-squeezenet",
    file="squeezenet1_1-b8a52dc0.pth",
    origin="https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
    url="https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth",
    pinned="b8a52dc049b60e4b6ab68ad0df457362afab8b6304b2febdc1650a5dab4d7e7b",
    size_bytes=4_958_839,
    license="BSD-3-Clause (torchvision)",
)
# AlexNet's first stride-4 convolution and its two pools leave nothing of smaller slices.
_SMALLEST_SIDE = 31
_BATCH_PIXELS = 2**20


@dataclass(frozen=True, eq=False)
class Lpips25d:
    """LPIPS averaged over all slices of a plane, then over planes; ``network`` is its module in evaluation mode."""

    network: LpipsNetwork

    def __call__(self, real: np.ndarray, reconstructed: np.ndarray, *, planes: Sequence[Plane]) -> float:
        """Return the distance of two volumes (x, y, z) float32 in 0..1; 0 for equal ones."""
        import torch

        means = []
        with torch.inference_mode():
            for plane in planes:
                pairs = zip(_batches(plane_view(real, plane)), _batches(plane_view(reconstructed, plane)))
                means.append(torch.cat([self.network(2 * a - 1, 2 * b - 1) for a, b in pairs]).mean().item())
        return float(np.mean(means))


def fits(shape: Sequence[int]) -> bool:
    """Say whether the slices of a volume of this shape are large enough for AlexNet."""
    return min(shape) >= _SMALLEST_SIDE


def load_lpips() -> Lpips25d:
    """Return LPIPS with AlexNet on the CPU.

    Raises:
        Unavailable: AlexNet's weights are not here.
        CheckpointError: its file is damaged or holds another network.
    """
    return Lpips25d(lpips_network("alex", BACKBONE))


def lpips_network(backbone: Backbone, weights: WeightFile) -> LpipsNetwork:
    """Return the network of LPIPS with its backbone's weights from their file, on the CPU, in evaluation mode.

    Raises:
        Unavailable: the weights are not here.
        CheckpointError: the file is damaged or holds another network.
    """
    from medbench.features.lpips_network import LpipsNetwork

    path = weights.locate()
    state = read_tensors(path)
    network = LpipsNetwork(backbone)
    found = {name: state[f"features.{name}"] for name in network.features.state_dict() if f"features.{name}" in state}
    fill(network.features, found, path=path, name=weights.name)
    return network


def _batches(slices: np.ndarray) -> Iterator[torch.Tensor]:
    import torch

    count, height, width = slices.shape
    step = max(1, _BATCH_PIXELS // (height * width))
    for start in range(0, count, step):
        grey = torch.from_numpy(np.ascontiguousarray(slices[start : start + step]))[:, None]
        yield grey.expand(-1, 3, -1, -1)
