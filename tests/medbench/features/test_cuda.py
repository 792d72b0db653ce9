"""A CUDA device gives the features of a CPU: no TF32, no other rounding than float32's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medbench.features.radimagenet import WEIGHTS, RadImageNetResNet50
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
