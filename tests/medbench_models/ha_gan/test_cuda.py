"""What runs on a GPU gives what the CPU gives."""

import numpy as np
import pytest
import torch

from medbench.generators.base import SampleRequest
from medbench_models.ha_gan.generator import HaGan

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def test_a_seed_means_the_same_volume() -> None:
    made = []
    for device in ("cpu", "cuda"):
        model = HaGan("tiny", device=device)
        model.load(None)
        made.append([volume.voxels.astype(float) for volume in model.sample(SampleRequest(seeds=[7, 8]))])
    (on_cpu, other), (on_gpu, _) = made
    assert np.abs(on_gpu - on_cpu).mean() < 0.2 * np.abs(other - on_cpu).mean()
