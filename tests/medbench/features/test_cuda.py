"""A CUDA device gives the features of a CPU: no TF32, no other rounding than float32's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medbench.features.radimagenet import WEIGHTS, RadImageNetResNet50
from medbench.features.radimagenet_half import RadImageNetResNet50Half
from medbench.features.seeded import SeededResNet, SeededResNet3d

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("extractor", [RadImageNetResNet50, SeededResNet, SeededResNet3d])
def test_devices_agree(extractor, formula_weights_file, monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    monkeypatch.setenv(WEIGHTS.variable, str(formula_weights_file))
    voxels = np.random.default_rng(0).random((48, 40, 32), dtype=np.float32)
    on_cpu, on_cuda = (extractor(device=device).features(voxels) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(on_cuda, on_cpu, rtol=1e-4, atol=1e-4)


def test_half_precision_is_near_float32(formula_weights_file, monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    monkeypatch.setenv(WEIGHTS.variable, str(formula_weights_file))
    slices = np.random.default_rng(0).random((8, 64, 48), dtype=np.float32)
    single, half = (
        network(device="cuda").features(slices) for network in (RadImageNetResNet50, RadImageNetResNet50Half)
    )
    np.testing.assert_allclose(half, single, rtol=0, atol=5e-3 * np.abs(single).max())
