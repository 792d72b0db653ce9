"""Whole volumes through the autoencoder: which windows, and that they are MONAI's."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from medbench.errors import DataError
from medbench_models.maisi.config import MaisiConfig, NetworkConfig
from medbench_models.maisi.networks import Autoencoder
from medbench_models.maisi.presets import PRESETS
from medbench_models.maisi.windows import Windows, activation_bytes, decode, encode, windows_for

GIB = 2**30
CONFIG = PRESETS["paper"].network.autoencoder


@pytest.mark.parametrize(
    ("positions", "wanted"),
    [
        ((128, 128, 32), Windows((80, 80, 32), 0.4, 2)),
        ((128, 128, 64), Windows((64, 64, 48), 0.4, 2)),
        ((128, 128, 128), Windows((64, 64, 48), 0.4, 2)),
        ((64, 64, 64), Windows((64, 64, 64), 0.25, 4)),
    ],
)
def test_with_24_gib_the_windows_are_maisis_own(positions: tuple[int, int, int], wanted: Windows) -> None:
    assert windows_for(CONFIG, positions, itemsize=2, limit_bytes=24 * GIB) == wanted
    on_a_cpu = windows_for(CONFIG, positions, itemsize=4, limit_bytes=math.inf)
    assert (on_a_cpu.size, on_a_cpu.overlap, on_a_cpu.splits) == (wanted.size, wanted.overlap, 1)


def test_less_memory_takes_smaller_windows() -> None:
    found = [windows_for(CONFIG, (128, 128, 32), itemsize=2, limit_bytes=limit * GIB).size for limit in (24, 12, 6, 2)]
    sizes = [math.prod(size) for size in found]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 4
    for limit, size in zip((24, 12, 6), found):
        assert (
            activation_bytes(CONFIG, (min(size[0], 128), min(size[1], 128), min(size[2], 32)), itemsize=2) < limit * GIB
        )


@torch.no_grad()
def test_windows_are_blended_as_monai_does(
    golden: Callable[[str], dict[str, torch.Tensor]],
    fill_golden: Callable[[torch.nn.Module, str], torch.nn.Module],
    golden_network: Callable[[str], NetworkConfig],
) -> None:
    wanted = golden("autoencoder.npz")
    autoencoder = Autoencoder(golden_network("rflow").autoencoder)
    fill_golden(autoencoder, "autoencoder")
    every_second = slice(None), slice(None), *[slice(None, None, 2)] * 3
    whole = decode(autoencoder, wanted["z_window"], Windows((64, 64, 64), 0.25, 1))
    torch.testing.assert_close(whole[every_second], wanted["decode_window_full_strided2"], atol=1e-4, rtol=0)
    blended = decode(autoencoder, wanted["z_window"], Windows((12, 12, 8), 0.4, 1))
    torch.testing.assert_close(
        blended[every_second], wanted["decode_window_12_12_8_overlap_0p4_strided2"], atol=1e-4, rtol=0
    )


@torch.no_grad()
def test_an_image_is_encoded_in_the_same_windows(small: MaisiConfig) -> None:
    torch.manual_seed(0)
    autoencoder = Autoencoder(small.network.autoencoder).eval()
    image = torch.rand(1, 1, 48, 32, 16)
    whole, parts = (encode(autoencoder, image, Windows(size, 0.5, 1)) for size in ((64, 64, 64), (8, 8, 4)))
    for one, other in zip(whole, parts):
        assert one.shape == other.shape == (1, 4, 12, 8, 4)
        assert float((one - other).abs().mean()) < 0.5 * float(one.std())


@torch.no_grad()
def test_windows_that_would_lose_rows_are_refused(small: MaisiConfig) -> None:
    autoencoder = Autoencoder(small.network.autoencoder).eval()
    with pytest.raises(DataError, match="24 voxels along y"):
        decode(autoencoder, torch.zeros(1, 4, 8, 8, 8), Windows((6, 6, 6), 0.5, 4))


@torch.no_grad()
def test_parts_are_put_together_again_afterwards(small: MaisiConfig) -> None:
    autoencoder = Autoencoder(small.network.autoencoder).eval()
    latent = torch.randn(1, 4, 4, 16, 4, generator=torch.Generator().manual_seed(0))
    once, in_parts = (decode(autoencoder, latent, Windows((64, 64, 64), 0.25, count)) for count in (1, 2))
    torch.testing.assert_close(once, in_parts, atol=1e-5, rtol=0)
    assert all(getattr(module, "num_splits", 1) == 1 for module in autoencoder.modules())
