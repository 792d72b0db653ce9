"""The random field: the published one, and what it promises besides."""

from collections.abc import Callable

import pytest
import torch

from medbench_models.crf_gan.random_field import RandomField, mean_field, pairwise


def test_four_nodes_are_the_published_ones_with_their_gradient(golden: Callable) -> None:
    fixture = golden("small64")
    stored = fixture.arrays
    features, logits, weight = (torch.from_numpy(stored[f"crf4_{name}"]) for name in ("a", "logits", "W"))
    weight.requires_grad_()
    found = mean_field(pairwise(features, weight), logits, iterations=int(stored["crf4_iterations"]))
    found = found.mean(dim=1, keepdim=True)
    fixture.close(found, stored["crf4_out"], atol=1e-5)
    found.square().sum().backward()
    fixture.close(weight.grad, stored["crf4_gradW"], atol=1e-5)


def test_a_new_field_leaves_every_logit_as_it_is() -> None:
    logits = torch.randn(3, 1)
    assert torch.equal(RandomField(4)(torch.randn(3, 8, 4, 2, 2), logits), logits)


def test_nodes_are_groups_of_channels_and_not_places() -> None:
    features = torch.randn(1, 8, 4, 2, 2)
    weight = torch.ones(1, 4, 4)
    found = pairwise(features, weight)
    shuffled = features.flatten(2)[..., torch.randperm(16)].view_as(features)
    torch.testing.assert_close(pairwise(shuffled, weight), found)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(pairwise(features.roll(1, dims=1), weight), found)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_the_order_in_memory_is_no_matter(layout: torch.memory_format) -> None:
    features, weight = torch.randn(2, 8, 4, 2, 2), torch.randn(1, 4, 4)
    found = pairwise(features.to(memory_format=layout), weight)
    torch.testing.assert_close(found, pairwise(features, weight))


def test_a_node_of_zeros_gives_numbers_and_gradients() -> None:
    features = torch.randn(2, 8, 4, 2, 2)
    features[:, :2] = 0.0
    features.requires_grad_()
    field = RandomField(4)
    torch.nn.init.ones_(field.W)
    found = field(features, torch.ones(2, 1))
    found.sum().backward()
    assert torch.isfinite(found).all() and torch.isfinite(features.grad).all() and torch.isfinite(field.W.grad).all()


def test_mixed_precision_does_not_reach_the_field() -> None:
    features, logits = torch.randn(2, 8, 4, 2, 2), torch.randn(2, 1)
    field = RandomField(4)
    torch.nn.init.normal_(field.W)
    wanted = field(features, logits)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(field(features, logits), wanted)
