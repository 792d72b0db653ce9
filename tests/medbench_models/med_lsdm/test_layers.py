"""Shapes, borders, and what a label map does to a norm."""

import torch

from medbench_models.med_lsdm.layers import (
    SamePadConv3d,
    SamePadConvTranspose3d,
    Spade,
    depth_first,
    depth_last,
    latent_shape,
)


def test_strides_divide_and_multiply_sizes() -> None:
    features = torch.zeros(1, 2, 4, 6, 8)
    assert SamePadConv3d(2, 3, 4, 2)(features).shape == (1, 3, 2, 3, 4)
    assert SamePadConvTranspose3d(2, 3, 4, 2)(features).shape == (1, 3, 8, 12, 16)


def test_a_constant_stays_one_up_to_the_border() -> None:
    """Padding with zeros would draw a frame around every volume."""
    found = SamePadConv3d(1, 1, 3)(torch.full((1, 1, 4, 4, 4), 5.0))
    torch.testing.assert_close(found, found[..., :1, :1, :1].expand_as(found))


def test_a_norm_is_steered_where_the_map_says_so_and_nowhere_else() -> None:
    torch.manual_seed(0)
    norm, features, label_map = Spade(8, 2, 4), torch.randn(1, 8, 2, 8, 8), torch.zeros(1, 2, 4, 16, 16)
    changed = label_map.clone()
    changed[..., :2, :2] = 1.0
    moved = (norm(features, changed) - norm(features, label_map)).abs().amax(dim=(0, 1, 2)) > 1e-6
    assert bool(moved[0, 0]) and not bool(moved[4:].any())


def test_axes_go_there_and_back() -> None:
    volume = torch.arange(24).view(1, 1, 2, 3, 4)
    assert depth_first(volume).shape == (1, 1, 4, 2, 3)
    assert torch.equal(depth_last(depth_first(volume)), volume)
    assert latent_shape((512, 256, 32), 8, 4) == (8, 8, 128, 64)
