from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from contract.generator_checks import CHECKS, Check, Trial
from medbench import registry
from medbench.generators.base import SampleRequest
from medbench.training import attention

TOY = f"{Path(__file__).parents[1] / 'toys.py'}:ToyGenerator"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [*registry.names("generators"), TOY], ids=lambda name: Path(name).name)
def test_generator(name: str, check: Check, tmp_path: Path) -> None:
    check(Trial(registry.load("generators", name), tmp_path))


@pytest.mark.gpu
@pytest.mark.parametrize("name", registry.names("generators"))
def test_samples_do_not_depend_on_xformers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernels round otherwise than PyTorch's, in half precision and at every step: a few HU are tolerated."""
    plugin = registry.load("generators", name)
    if plugin.info.native_shape is None:
        pytest.skip("a pseudo-model computes nothing")
    if not attention.xformers_works("cuda:0"):
        pytest.skip("xformers has no kernels here")

    def sampled() -> np.ndarray:
        generator = plugin(plugin.info.presets[0], device="cuda:0")
        generator.load(generator.default_checkpoint())
        return np.stack([volume.voxels.astype(float) for volume in generator.sample(SampleRequest([1, 2]))])

    with_it = sampled()
    monkeypatch.setattr(attention, "xformers_works", lambda device: False)
    difference = np.abs(sampled() - with_it)
    assert difference.mean() < 5.0
    assert np.quantile(difference, 0.99) < 50.0
