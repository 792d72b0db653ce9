"""What a second VolDiT gets wrong without an error; attention, averages and the adapter have tests of their own."""

import numpy as np
import torch

from medbench.imaging.volume import Volume
from medbench.spec import Window
from medbench_models.shared.arrays import scaled
from medbench_models.shared.volumes import hu_of
from medbench_models.voldit.config import DitConfig
from medbench_models.voldit.dit import Dit
from medbench_models.voldit.presets import PRESETS


def test_no_value_of_hu_is_hit_twice_as_often() -> None:
    """Cutting decimals off towards 0, as the public code does, gives 0 HU two bins: a comb that readers would see."""
    exact = torch.linspace(-0.01, 0.01, 40_001, dtype=torch.float64).float().view(1, 1, -1, 1, 1)  # -10 to 10 HU
    counts = np.unique(hu_of(exact, window=Window()), return_counts=True)[1][1:-1]
    assert counts.max() < 1.01 * counts.min()
    truncated = np.unique((exact.numpy() * 1000.0).astype(np.int16), return_counts=True)[1][1:-1]
    assert truncated.max() > 1.9 * truncated.min()


def test_every_volume_is_scaled_by_the_same_window() -> None:
    """The public code stretches a scan that ends at 800 HU to 1000; its samples are read as if it had not."""
    window = PRESETS["paper"].network.window
    assert (window.low, window.high) == (-1000, 1000)
    low = Volume(np.full((1, 1, 2), (-1000, 800), np.int16), np.eye(4))
    torch.testing.assert_close(scaled(low.voxels[None], window).flatten(), torch.tensor([-1.0, 0.8]))


def test_patches_are_joined_channel_last() -> None:
    """A patch's numbers run (x, y, z, channel): with the channel first, every sample is scrambled."""
    dit = Dit(DitConfig(patch=2, width=12, depth=1, heads=1), (2, 1, 1), 3)
    torch.nn.init.zeros_(dit.out.weight)
    dit.out.bias.data = torch.arange(24.0)
    found = dit(torch.zeros(1, 3, 4, 2, 2), torch.tensor([0]))[0]
    assert found[:, 0, 0, 0].tolist() == [0.0, 1.0, 2.0]
    assert found[0, 0, 0].tolist() == [0.0, 3.0]
    assert found[0, 0, :, 0].tolist() == [0.0, 6.0]
    assert found[0, :, 0, 0].tolist() == [0.0, 12.0, 0.0, 12.0]
