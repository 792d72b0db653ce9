"""What a feature network must offer: one for 2D slices, one for whole volumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from medbench.spec import Grid, Window

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class ExtractorInfo:
    """A feature network's declaration.

    Args:
        name: registered name.
        version: raised whenever the same weights and slices would yield other features.
        dimension: length of a feature vector.
        stand_in: True where it only stands in for a network whose weights are not here; the report then says so.
        license: licence of the weights.
        source: paper or repository.
        sees: ``slices`` or ``volumes``.
        grid: the grid that a network of volumes was trained on: they are brought to it, from the protocol's grid,
            before it sees them. None: it sees the protocol's grid.
        window: the window of HU that it was trained with, in place of the protocol's; None: the protocol's.
        trained_on: what its training saw, where it is known: features of volumes that a network was trained on may
            flatter them.
    """

    name: str
    version: str
    dimension: int
    stand_in: bool
    license: str
    source: str
    sees: Literal["slices", "volumes"] = "slices"
    grid: Grid | None = None
    window: Window | None = None
    trained_on: str = ""

    def own_input(self) -> dict[str, Any]:
        """Return grid and window of the network's own, JSON-ready; they enter its fingerprints."""
        own = {"grid": self.grid, "window": self.window}
        return {name: spec.model_dump(mode="json") for name, spec in own.items() if spec is not None}


class FeatureNetwork(Protocol):
    """What both kinds have. The constructor stores its arguments; weights load on first use."""

    info: ClassVar[ExtractorInfo]

    def __init__(self, *, device: str) -> None:
        """Store the torch device."""

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weights, without building the network.

        Raises:
            Unavailable: the weights are not here; the message says how to get them.
        """


class SliceExtractor(FeatureNetwork, Protocol):
    """Features of 2D slices."""

    def features(self, slices: np.ndarray) -> np.ndarray:
        """Return float32 features (n, dimension) of slices (n, height, width) scaled to 0..1, in bounded memory."""


class VolumeExtractor(FeatureNetwork, Protocol):
    """Features of whole volumes."""

    def features(self, voxels: np.ndarray) -> np.ndarray:
        """Return float32 features (dimension,) of voxels (x, y, z), float32 scaled to 0..1 (see ``as_seen``)."""
