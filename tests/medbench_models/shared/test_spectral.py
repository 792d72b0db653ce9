"""Spectral norm as in BigGAN: golden outputs (tests/data/README.md), and what the norm promises."""

import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench_models.shared.spectral import SpectralConv3d, SpectralLinear

DATA = Path(__file__).parents[2] / "data" / "ha_gan"


def drawn(text: str, shape: tuple[int, ...]) -> np.ndarray:
    chance = np.random.RandomState(zlib.crc32(f"ha_gan/small128{text}".encode()))
    return chance.standard_normal(shape)


def filled(layer: torch.nn.Module, name: str) -> torch.nn.Module:
    scale = {"weight": np.sqrt(2 / layer.weight[0].numel()), "bias": 0.1, "u0": 1.0}
    for key, scaled_by in scale.items():
        value = layer.state_dict()[key]
        value.copy_(torch.from_numpy(scaled_by * drawn(f"/{name}:{key}", tuple(value.shape))))
    return layer


def given(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    chance = np.random.RandomState(zlib.crc32(f"ha_gan/small128:input:{name}".encode()))
    return torch.from_numpy(chance.uniform(-1, 1, shape).astype(np.float32))


@pytest.fixture
def golden() -> dict[str, torch.Tensor]:
    with np.load(DATA / "small128.npz") as stored:
        return {key: torch.from_numpy(stored[key]) for key in stored.files if key.startswith("SN")}


def test_a_convolution_is_the_published_one(golden: dict[str, torch.Tensor]) -> None:
    layer, x = filled(SpectralConv3d(3, 5, 4, 2, 1), "SN"), given("sn_x", (2, 3, 8, 8, 8))
    found = layer(x)
    torch.testing.assert_close(found, golden["SN_train_out"], atol=1e-5, rtol=0)
    found.square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, golden["SN_train_gradW"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(layer.u0, golden["SN_u0_after"])
    torch.testing.assert_close(layer.sv0, golden["SN_sv0_after"])
    layer.eval()
    torch.testing.assert_close(layer(x), golden["SN_eval_after_train_out"], atol=1e-5, rtol=0)
    torch.testing.assert_close(layer.u0, golden["SN_u0_after_eval"])


def test_a_linear_layer_is_the_published_one(golden: dict[str, torch.Tensor]) -> None:
    layer, x = filled(SpectralLinear(7, 4), "SNL"), given("snl_x", (2, 7))
    torch.testing.assert_close(layer(x), golden["SNL_train_out"], atol=1e-5, rtol=0)
    torch.testing.assert_close(layer.eval()(x), golden["SNL_eval_out"], atol=1e-5, rtol=0)


def test_the_largest_singular_value_becomes_one() -> None:
    torch.manual_seed(0)
    layer = SpectralConv3d(2, 6, 3)
    for _ in range(200):
        weight = layer.normalised().detach()
    assert float(torch.linalg.matrix_norm(weight.flatten(1), ord=2)) == pytest.approx(1.0, abs=1e-4)


def test_names_of_the_state() -> None:
    assert list(SpectralLinear(2, 3).state_dict()) == ["weight", "bias", "u0", "sv0"]
    assert [tuple(one.shape) for one in SpectralLinear(2, 3).state_dict().values()] == [(3, 2), (3,), (1, 3), (1,)]
