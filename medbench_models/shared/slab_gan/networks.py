"""What GANs have in common that train on a slab of a volume: HA-GAN and its kin.

A trunk turns noise into features at a quarter of the resolution; a head of two convolutions turns a slab of them, or
all of them, into voxels. Training never holds a whole volume at full resolution. A critic judges slabs, an encoder
brings slabs back to features. Arrays are (n, c, depth, height, width), the axes z, y, x of a volume: slabs are cut
along the first. Layers that a size does not need are left out, and the others keep the numbers that they have in
the public checkpoints.

Source: Sun et al. 2022 (IEEE JBHI 26(8), doi 10.1109/JBHI.2022.3172976).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from medbench_models.shared.arrays import require_multiples
from medbench_models.shared.config import SlabGanConfig
from medbench_models.shared.precision import applied
from medbench_models.shared.spectral import SpectralConv3d, SpectralLinear

REDUCTION = 4  # voxels of one position of the features along each axis
TRUNK_LAYERS = 5
CRITIC_LAYERS = 6
_NORM_GROUPS = 8
_SLOPE = 0.2

Size = tuple[int, int, int]


@dataclass(frozen=True)
class Pyramid:
    """The grids that a volume grows through, each (depth, height, width).

    Args:
        volume: voxels.
        doublings: of the trunk; the head doubles twice more.
        slabs: how many of them a volume's depth makes.
    """

    volume: Size
    doublings: int
    slabs: int

    @property
    def features(self) -> Size:
        """Where the trunk ends."""
        depth, height, width = self.volume
        return depth // REDUCTION, height // REDUCTION, width // REDUCTION

    @property
    def start(self) -> Size:
        """Where the trunk begins."""
        depth, height, width = (size // 2**self.doublings for size in self.features)
        return depth, height, width

    @property
    def slab(self) -> Size:
        """Voxels of a slab."""
        return self.volume[0] // self.slabs, *self.volume[1:]

    @property
    def slab_features(self) -> int:
        """Positions of the features that a slab is deep."""
        return self.slab[0] // REDUCTION

    @property
    def room(self) -> int:
        """The last voxel of the depth at which a slab can begin."""
        return self.volume[0] - self.slab[0]


def pyramid(config: SlabGanConfig, shape: Sequence[int]) -> Pyramid:
    """Return the grids of volumes with ``shape`` voxels (x, y, z).

    Raises:
        DataError: the trunk cannot end there, or the depth cannot be cut into slabs; the message has the nearest shape.
    """
    halved = REDUCTION * 2**config.doublings
    require_multiples(shape, (halved, halved, math.lcm(halved, REDUCTION * config.slabs)))
    width, height, depth = shape
    return Pyramid((depth, height, width), config.doublings, config.slabs)


def numbered(layers: int, doublings: int) -> range:
    """Return the numbers, from 1, of a chain's last layers: those that as many doublings, with the head's, leave."""
    return range(TRUNK_LAYERS - doublings, layers + 1)


def normed(channels: int) -> nn.GroupNorm:
    """Return the group norm of all these networks."""
    return nn.GroupNorm(_NORM_GROUPS, channels)


def doubled(features: torch.Tensor) -> torch.Tensor:
    """Return features with every position repeated along each axis."""
    return functional.interpolate(features, scale_factor=2.0)


class SlabGenerator(nn.Module):
    """Trunk and head; the trunk's first doublings are those of its layers 2, 3, ...

    Args:
        config: the architecture.
        grids: of the volumes.
    """

    def __init__(self, config: SlabGanConfig, grids: Pyramid) -> None:
        super().__init__()
        self.config = config
        self.grids = grids
        before = config.widths[0]
        self.fc1 = nn.Linear(config.latent + config.classes, before * math.prod(grids.start))
        for number, after in enumerate(config.widths, start=1):
            self.add_module(f"tp_conv{number}", nn.Conv3d(before, after, 3, padding=1))
            self.add_module(f"bn{number}", normed(after))
            before = after
        self.tp_conv7 = nn.Conv3d(before, 1, 3, padding=1)
        self._sampled = tuple(name for name, _ in self.named_children())

    def features(self, noise: torch.Tensor) -> torch.Tensor:
        """Return the features (n, c, depth, height, width) / 4 of noise (n, latent), classes one-hot behind it."""
        found = self.fc1(noise).view(len(noise), -1, *self.grids.start)
        for number in range(1, TRUNK_LAYERS + 1):
            found = self._layer(number, doubled(found) if 1 < number <= 1 + self.grids.doublings else found)
        return found

    def detail(self, features: torch.Tensor) -> torch.Tensor:
        """Return the voxels (n, 1, ...) in -1..1 of features, of a slab's or of all."""
        return torch.tanh(self.tp_conv7(doubled(self._layer(6, doubled(features)))))

    def slab_of(self, features: torch.Tensor, first: int) -> torch.Tensor:
        """Return the features of the slab that begins at a voxel of the depth."""
        start = first // REDUCTION
        return features[:, :, start : start + self.grids.slab_features]

    def sampled_state(self) -> dict[str, torch.Tensor]:
        """Return the state of what makes volumes; what a subclass adds only trains."""
        state = self.state_dict().items()
        return {name: value for name, value in state if name.partition(".")[0] in self._sampled}

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        """Return whole volumes; what a pass of training returns, a subclass says."""
        return self.volume(noise)

    def volume(self, noise: torch.Tensor) -> torch.Tensor:
        """Return whole volumes (n, 1, depth, height, width) in -1..1."""
        return self.detail(self.features(noise))

    def _layer(self, number: int, features: torch.Tensor) -> torch.Tensor:
        convolve, norm = self.get_submodule(f"tp_conv{number}"), self.get_submodule(f"bn{number}")
        return applied(lambda found: functional.relu(norm(convolve(found))), features)


class SlabCritic(nn.Module):
    """Judges a slab, knowing where it lies; every layer has spectral norm.

    Its layers halve height and width to where the trunk begins; the depth only as long as there is any.

    Args:
        config: the architecture.
        grids: of the volumes.
    """

    def __init__(self, config: SlabGanConfig, grids: Pyramid) -> None:
        super().__init__()
        self.numbers = numbered(CRITIC_LAYERS, config.doublings)
        self.room = max(1, grids.room)
        before, size = 1, grids.slab
        for number in self.numbers:
            after = config.critic_width >> (CRITIC_LAYERS - number)
            kernel, stride, padding = (list(one) for one in zip(_halving(size[0]), (4, 2, 1), (4, 2, 1)))
            self.add_module(f"conv{number}", SpectralConv3d(before, after, kernel, stride, padding))
            sizes = zip(size, kernel, stride, padding)
            size = tuple((voxels + 2 * extra - width) // step + 1 for voxels, width, step, extra in sizes)
            before = after
        width = config.critic_width // 4
        self.conv7 = SpectralConv3d(before, width, size)
        self.fc1 = SpectralLinear(width + 1, width // 2)
        self.fc2 = SpectralLinear(width // 2, 1)
        if config.classes:
            self.fc2_class = SpectralLinear(width // 2, config.classes)

    def judge_slab(self, slab: torch.Tensor, first: int) -> torch.Tensor:
        """Return logits (n, 1 + classes) of slabs (n, 1, depth, height, width) that begin at a voxel of the depth."""
        found = slab
        for number in (*self.numbers, CRITIC_LAYERS + 1):
            found = functional.leaky_relu(self.get_submodule(f"conv{number}")(found), _SLOPE)
        place = found.new_full((len(found), 1), first / self.room)
        found = functional.leaky_relu(self.fc1(torch.cat([found.flatten(1), place], dim=1)), _SLOPE)
        logits = [self.fc2(found)]
        if hasattr(self, "fc2_class"):
            logits.append(self.fc2_class(found))
        return torch.cat(logits, dim=1)


def _halving(depth: int) -> tuple[int, int, int]:
    """Return kernel, stride and padding that halve a slab's depth as the published critics do, if it can be halved."""
    if depth in (2, 4):
        return 2, 2, 0
    return (4, 2, 1) if depth > 4 and depth % 2 == 0 else (1, 1, 0)


class SlabEncoder(nn.Module):
    """Brings voxels, a slab or a volume, to features of the trunk's kind.

    Args:
        config: the architecture.
    """

    def __init__(self, config: SlabGanConfig) -> None:
        super().__init__()
        out = config.feature_width
        self.conv1 = nn.Conv3d(1, out // 2, 4, stride=2, padding=1)
        self.bn1 = normed(out // 2)
        self.conv2 = nn.Conv3d(out // 2, out // 2, 3, padding=1)
        self.bn2 = normed(out // 2)
        self.conv3 = nn.Conv3d(out // 2, out, 4, stride=2, padding=1)
        self.bn3 = normed(out)

    def forward(self, voxels: torch.Tensor) -> torch.Tensor:
        """Return features (n, c, ...) / 4 of voxels (n, 1, ...) in -1..1."""
        found = functional.relu(self.bn1(self.conv1(voxels)))
        found = functional.relu(self.bn2(self.conv2(found)))
        return functional.relu(self.bn3(self.conv3(found)))
