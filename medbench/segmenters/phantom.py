"""The segmenter of the embedded phantom: a small network trained on phantoms, shipped with the package."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from medbench.datasets.phantom.thorax import LABELS
from medbench.imaging.volume import LabelMap, Volume
from medbench.segmenters.base import SegmenterInfo
from medbench.spec import Window
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    from medbench.segmenters.phantom_network import PhantomUnet

MODEL: Final = "phantom-segmenter"
SHIPPED: Final = Path(__file__).with_name("phantom.safetensors")
WEIGHTS: Final = WeightFile("phantom", SHIPPED.name, "medbench", shipped=SHIPPED, license="Apache-2.0")
WINDOW: Final = Window(low=-1000, high=1000)
CLASSES: Final = len(LABELS) + 1


@dataclass(frozen=True, kw_only=True)
class PhantomSegmenter:
    """Labels the phantom's structures; of no use on real CT.

    It was trained at the phantom's default grid (5.2 x 5.2 x 6.5 mm) and is meant for volumes of about that spacing.

    Args:
        device: torch device.
    """

    device: str

    weights: ClassVar[WeightFile] = WEIGHTS
    info: ClassVar[SegmenterInfo] = SegmenterInfo(
        name="phantom",
        version="1",
        stand_in=True,
        license="Apache-2.0",
        source="medbench",
    )

    def names(self) -> Mapping[int, str]:
        """Return the phantom's structures."""
        return LABELS

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weights in force."""
        return WEIGHTS.sha256()

    def segment(self, volume: Volume) -> LabelMap:
        """Return the label map of a volume, on its grid.

        Args:
            volume: any shape; axes that the network cannot halve are padded with air and cropped again.

        Raises:
            CheckpointError: the shipped weights are damaged.
        """
        import torch

        from medbench.segmenters.phantom_network import MULTIPLE

        network = load_network(WEIGHTS.locate(), self.device)
        padded = np.pad(
            volume.voxels, [(0, -size % MULTIPLE) for size in volume.shape], constant_values=int(WINDOW.low)
        )
        image = torch.from_numpy(WINDOW.scale(padded.astype(np.float32)))[None, None]
        with torch.inference_mode():
            labels = network(image.to(self.device)).argmax(dim=1)[0].to("cpu", torch.uint8).numpy()
        x, y, z = volume.shape
        return LabelMap(np.ascontiguousarray(labels[:x, :y, :z]), volume.affine, LABELS)


@functools.lru_cache(maxsize=2)
def load_network(path: Path, device: str) -> PhantomUnet:
    """Return the network of a weights file, ready to segment.

    Raises:
        CheckpointError: damaged, or another model's.
    """
    from medbench.segmenters.phantom_network import PhantomUnet
    from medbench.storage.tensors import fill, read_weights

    weights, _ = read_weights(path, model=MODEL)
    network = PhantomUnet(CLASSES)
    fill(network, weights, path=path)
    return network.eval().to(device)
