from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from medbench_models.med_lsdm.batch_norm import BatchNorm2d, BatchNorm3d

KINDS = [(BatchNorm2d, nn.BatchNorm2d, (4, 5)), (BatchNorm3d, nn.BatchNorm3d, (4, 5, 2))]


@pytest.mark.parametrize(("ours", "pytorchs", "shape"), KINDS)
def test_two_processes_normalise_like_one_with_both_batches(
    ours: type[nn.Module], pytorchs: type[nn.Module], shape: tuple[int, ...],
    two_processes: Callable[[Callable[[int], Any]], list[Any]],
) -> None:  # fmt: skip
    chance = torch.Generator().manual_seed(0)
    features, goal = torch.randn(2, 4, 3, *shape, generator=chance)
    features = 3.0 * features + 1.0

    def trained(norm: nn.Module, seen: torch.Tensor, wanted: torch.Tensor) -> list[torch.Tensor]:
        seen = seen.clone().requires_grad_()
        found = norm(seen)
        (found * wanted).square().mean().backward()
        return [found.detach(), seen.grad, norm.weight.grad, norm.bias.grad, norm.running_mean, norm.running_var]

    def work(process: int) -> list[torch.Tensor]:
        part = slice(2 * process, 2 * process + 2)
        return trained(ours(3), features[part], goal[part])

    first, second = two_processes(work)
    wanted = trained(pytorchs(3), features, goal)
    torch.testing.assert_close(torch.cat([first[0], second[0]]), wanted[0])
    torch.testing.assert_close(torch.cat([first[1], second[1]]) / 2, wanted[1])  # of the mean of both losses
    for some, others, one in zip(first[2:4], second[2:4], wanted[2:4]):
        torch.testing.assert_close((some + others) / 2, one)
    for some, others, one in zip(first[4:], second[4:], wanted[4:]):
        assert torch.equal(some, others)
        torch.testing.assert_close(some, one)


@pytest.mark.parametrize(("ours", "pytorchs", "shape"), KINDS)
def test_alone_and_in_evaluation_they_are_pytorchs(
    ours: type[nn.Module], pytorchs: type[nn.Module], shape: tuple[int, ...]
) -> None:
    norm, stock, features = ours(3), pytorchs(3), torch.randn(4, 3, *shape)
    assert torch.equal(norm(features), stock(features))
    assert torch.equal(norm.eval()(features), stock.eval()(features))
    assert norm.state_dict().keys() == stock.state_dict().keys()
