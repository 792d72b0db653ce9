"""Attention by its definition: rotation, relative bias, and the linear form within planes."""

import pytest
import torch

from medbench_models.med_lsdm.attention import DepthAttention, LinearPlaneAttention, PlaneAttention, Rotary


def test_rotated_products_depend_on_the_distance_alone() -> None:
    torch.manual_seed(0)
    rotary = Rotary(48)
    query, key = torch.randn(48).expand(9, 48), torch.randn(48).expand(9, 48)
    products = rotary(query) @ rotary(key).T
    for offset in (0, 1, 5):
        diagonal = products.diagonal(offset)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal))
    assert torch.equal(rotary(query)[:, 32:], query[:, 32:])  # what lies beyond 32 channels is not rotated


@torch.no_grad()
@pytest.mark.parametrize("moved", ["depth", "plane"])
def test_what_an_attention_mixes(moved: str) -> None:
    """Along the depth no axial position sees another; within planes no slice does."""
    torch.manual_seed(0)
    features, bias = torch.randn(1, 8, 4, 3, 3), torch.zeros(2, 4, 4)
    changed = features.clone()
    changed[:, :, 1, 0, 0] += 1.0
    if moved == "depth":
        layer = DepthAttention(8, 2, 8)
        differs = (layer(changed, bias) - layer(features, bias)).abs().amax(dim=(0, 1, 2)) > 1e-6
        assert differs[0, 0] and int(differs.sum()) == 1
        return
    for layer in (PlaneAttention(8, 2), LinearPlaneAttention(8, 2)):
        differs = (layer(changed) - layer(features)).abs().amax(dim=(0, 1, 3, 4)) > 1e-6
        assert differs.tolist() == [False, True, False, False]


@torch.no_grad()
def test_linear_attention_is_softmax_over_channels_of_queries_and_over_positions_of_keys() -> None:
    torch.manual_seed(0)
    layer = LinearPlaneAttention(4, 1)
    features = torch.randn(1, 4, 1, 2, 3)
    query, key, value = layer.to_qkv(features[:, :, 0]).flatten(2)[0].chunk(3)
    context = key.softmax(dim=1) @ value.T
    wanted = context.T @ (query.softmax(dim=0) * 32**-0.5)
    torch.testing.assert_close(layer(features)[0, :, 0], layer.to_out(wanted.view(1, 32, 2, 3))[0])
