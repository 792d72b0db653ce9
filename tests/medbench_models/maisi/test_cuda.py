"""On a GPU, in half precision, the networks give what they give on a CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.generators.base import SampleRequest
from medbench_models.maisi.generator import Maisi, MaisiPt, MaisiSt
from medbench_models.maisi.networks import Autoencoder
from medbench_models.maisi.presets import PRESETS
from medbench_models.maisi.windows import Windows, decode

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("kind", [MaisiSt, MaisiPt])
def test_a_seed_means_the_same(kind: type[Maisi]) -> None:
    condition = PhantomDataset().cases("test")[0].read_label_map
    assert condition is not None
    for conditions in (None, [condition()]):
        found = []
        for device in ("cpu", "cuda"):
            model = kind("tiny", device=device)
            model.load(None)
            found.append(next(model.sample(SampleRequest(seeds=[3], conditions=conditions))).voxels.astype(float))
        assert np.abs(found[0] - found[1]).mean() < 10.0


@torch.no_grad()
def test_parts_save_memory_and_change_nothing() -> None:
    torch.manual_seed(0)
    autoencoder = Autoencoder(PRESETS["paper"].network.autoencoder).eval().cuda().half()
    latent = torch.randn(1, 4, 32, 32, 32)
    whole, in_parts = (decode(autoencoder, latent, Windows((64, 64, 64), 0.25, count)) for count in (1, 2))
    assert float((whole - in_parts).abs().max()) < 1e-2
