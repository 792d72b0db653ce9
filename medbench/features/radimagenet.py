"""Slice features of the RadImageNet ResNet50, as MAISI's public 2.5D FID script takes them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.features.base import ExtractorInfo
from medbench.storage.tensors import fill, read_tensors
from medbench.storage.weights import WeightFile

if TYPE_CHECKING:
    import torch

    from medbench.features.resnet50 import KerasResNet50

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
    )

    def weights_sha256(self) -> str:
        """Return the SHA-256 of the weight file.

        Raises:
            Unavailable: the weights are not here; the message says how to get them.
        """
        return WEIGHTS.sha256()

    def features(self, slices: np.ndarray) -> np.ndarray:
        """Return features of slices; another batch size changes them by 2e-6 at most.

        Args:
            slices: (n, height, width) float32 in 0..1, any size.

        Returns:
            (n, 2048) float32.

        Raises:
            Unavailable: the weights are not here.
            CheckpointError: the weights are damaged or belong to another network.
        """
        import torch

        network = _network(WEIGHTS.locate(), WEIGHTS.sha256(), self.device)
        pixels = slices.shape[1] * slices.shape[2]
        batch, step = max(1, _BACK_PIXELS // pixels), max(1, _FRONT_PIXELS // pixels)
        found = np.empty((len(slices), self.info.dimension), dtype=np.float32)
        # TF32 would make a CUDA device's features differ from a CPU's in the third digit.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            for start in range(0, len(slices), batch):
                chunk = slices[start : start + batch]
                fronts = [self._front(network, chunk[at : at + step]) for at in range(0, len(chunk), step)]
                found[start : start + batch] = network.back(torch.cat(fronts)).mean(dim=(2, 3)).cpu().numpy()
        return found

    def _front(self, network: KerasResNet50, slices: np.ndarray) -> torch.Tensor:
        import torch

        means = torch.tensor(_MEANS, device=self.device).view(1, 3, 1, 1)
        grey = torch.from_numpy(np.ascontiguousarray(slices, dtype=np.float32)).to(self.device)
        images = grey.unsqueeze(1) - means  # broadcasting repeats the grey channel
        return network.front(images.contiguous(memory_format=torch.channels_last))


@functools.lru_cache(maxsize=1)
def _network(path: Path, sha256: str, device: str) -> KerasResNet50:
    del sha256  # part of the key: a file that was replaced is loaded again
    import torch

    from medbench.features.resnet50 import KerasResNet50, without_batch_norms

    network = KerasResNet50()
    fill(network, read_tensors(path), path=path, name=WEIGHTS.name)
    return without_batch_norms(network.eval()).to(device).to(memory_format=torch.channels_last)
