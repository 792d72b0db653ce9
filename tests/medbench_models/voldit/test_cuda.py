"""What runs on a GPU gives what the CPU gives."""

import numpy as np
import pytest
import torch

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.generators.base import SampleRequest
from medbench_models.voldit.generator import VolDiT

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


@pytest.fixture(scope="module")
def models() -> list[VolDiT]:
    made = [VolDiT("tiny", device=device) for device in ("cpu", "cuda")]
    for model in made:
        model.load(None)
    return made


@pytest.mark.parametrize("steered", [False, True])
def test_a_seed_means_the_same_volume(models: list[VolDiT], steered: bool) -> None:
    read = PhantomDataset().cases("test")[0].read_label_map
    assert read is not None
    (on_cpu, other), (on_gpu, _) = (
        list(model.sample(SampleRequest(seeds=[7, 8], conditions=[read(), read()] if steered else None)))
        for model in models
    )
    wanted = on_cpu.voxels.astype(float)
    assert np.abs(on_gpu.voxels - wanted).mean() < 0.2 * np.abs(other.voxels - wanted).mean()


def test_a_reconstruction_is_the_same(models: list[VolDiT]) -> None:
    volume = PhantomDataset().cases("test")[0].read_volume()
    on_cpu, on_gpu = (model.reconstruct(volume).voxels.astype(float) for model in models)
    assert np.abs(on_gpu - on_cpu).mean() < 5.0  # HU; the decoder runs in float16
