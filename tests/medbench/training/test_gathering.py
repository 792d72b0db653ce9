from collections.abc import Callable
from typing import Any

import torch

from medbench.training.gathering import gathered, processes, summed

Run = Callable[[Callable[[int], Any]], list[Any]]


def test_one_process_keeps_what_it_has() -> None:
    rows = torch.randn(3, 2)
    assert processes() == 1
    assert gathered(rows) is rows
    assert summed(rows) is rows


def test_rows_come_in_the_order_of_the_processes_and_the_gradient_is_that_of_one_loss(two_processes: Run) -> None:
    """Of a loss that is no mean over the rows: the mean of both gradients is the gradient of one process with all."""
    given = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))

    def loss_of(rows: torch.Tensor) -> torch.Tensor:
        return torch.cdist(rows, rows).sum() + (rows * torch.arange(12.0).view(4, 3)).sum()

    def work(process: int) -> tuple[torch.Tensor, torch.Tensor]:
        weight = torch.tensor(1.5, requires_grad=True)
        rows = gathered(weight * given[2 * process : 2 * process + 2])
        loss_of(rows).backward()
        return rows.detach(), weight.grad

    (first, some), (second, others) = two_processes(work)
    assert torch.equal(first, 1.5 * given)
    assert torch.equal(first, second)
    weight = torch.tensor(1.5, requires_grad=True)
    loss_of(weight * given).backward()
    torch.testing.assert_close((some + others) / 2, weight.grad)
