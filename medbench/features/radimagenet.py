"""Slice features of the RadImageNet ResNet50, as MAISI's public 2.5D FID script takes them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from medbench.errors import CheckpointError
from medbench.features.base import ExtractorInfo
from medbench.weights import WeightFile, read_tensors

if TYPE_CHECKING:
    import torch

    from medbench.features.resnet50 import KerasResNet50

WEIGHTS = WeightFile(
    name="radimagenet-resnet50",
    file="RadImageNet-ResNet50_notop.pth",
    origin="github.com/Warvito/radimagenet-models (Google Drive 1VOWHgOq0rm7OkE_JxlWXhMAH4CvcXUHT; mind the licence)",
)
# ImageNet's means of channels 0, 1, 2 in BGR order; no standard deviations, no factor 255.
_MEANS = (0.406, 0.456, 0.485)
_BATCH_PIXELS = 2**21


@dataclass(frozen=True, kw_only=True)
class RadImageNetResNet50:
    """2048 features a slice: the last stage of a Keras-style ResNet50, averaged over space.

    Args:
        device: torch device.
    """

    device: str

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
        means = torch.tensor(_MEANS, device=self.device).view(1, 3, 1, 1)
        batch = max(1, _BATCH_PIXELS // (slices.shape[1] * slices.shape[2]))
        found = np.empty((len(slices), self.info.dimension), dtype=np.float32)
        # TF32 would make a CUDA device's features differ from a CPU's in the third digit.
        with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
            for start in range(0, len(slices), batch):
                grey = torch.from_numpy(np.ascontiguousarray(slices[start : start + batch], dtype=np.float32))
                images = grey.to(self.device).unsqueeze(1) - means  # broadcasting repeats the grey channel
                found[start : start + batch] = network(images).mean(dim=(2, 3)).cpu().numpy()
        return found


@functools.lru_cache(maxsize=1)
def _network(path: Path, sha256: str, device: str) -> KerasResNet50:
    del sha256  # part of the key: a file that was replaced is loaded again
    from medbench.features.resnet50 import KerasResNet50

    network = KerasResNet50()
    state = read_tensors(path)
    _check_state(path, wanted=network.state_dict(), found=state)
    network.load_state_dict(state)
    return network.eval().to(device)


def _check_state(path: Path, *, wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    faults = {
        "missing": sorted(wanted.keys() - found.keys()),
        "unexpected": sorted(found.keys() - wanted.keys()),
        "of another shape": sorted(
            key for key in wanted.keys() & found.keys() if wanted[key].shape != found[key].shape
        ),
    }
    named = [
        f"{len(keys)} {fault} ({', '.join(keys[:3])}{', ..' if len(keys) > 3 else ''})"
        for fault, keys in faults.items()
        if keys
    ]
    if named:
        raise CheckpointError(f"{path} does not belong to {WEIGHTS.name}: tensors {'; '.join(named)}")
