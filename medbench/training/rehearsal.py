"""A training step without a GPU and without numbers, to predict its memory: what Fabric does for a task, in plain."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import Any, Final

import torch  # noqa: TID253  this module is imported only by what predicts
from torch.utils import _pytree as pytree  # noqa: TID253  likewise

from medbench.training import Precision

_HALVES: Final = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


class Rehearsal:
    """Takes the place of Fabric in ``Task.setup``; one process.

    Args:
        precision: of the networks' arithmetic.
    """

    device = torch.device("cpu")

    def __init__(self, precision: Precision) -> None:
        self._half = _HALVES.get(precision)

    def setup(
        self, module: torch.nn.Module, optimiser: torch.optim.Optimizer
    ) -> tuple[Callable[..., Any], AdamWMemory]:
        """Return the module in mixed precision with outputs in float32, and the optimiser's memory in its place."""

        def forward(*inputs: Any) -> Any:
            with self.autocast():
                outputs = module(*inputs)
            return pytree.tree_map_only(torch.Tensor, _full, outputs)

        return forward, AdamWMemory(optimiser.param_groups)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context of the networks' arithmetic."""
        if self._half is None:
            return contextlib.nullcontext()
        return torch.autocast("cpu", dtype=self._half)

    def to_device(self, module: torch.nn.Module) -> torch.nn.Module:
        """Return the module as it is: there is one device."""
        return module

    def no_backward_sync(self, module: object, enabled: bool = True) -> contextlib.AbstractContextManager[None]:
        """Return a context that does nothing: there is one process."""
        del module, enabled
        return contextlib.nullcontext()

    def backward(self, loss: torch.Tensor) -> None:
        """Compute the gradients."""
        loss.backward()  # type: ignore[no-untyped-call]

    def clip_gradients(self, module: object, optimiser: AdamWMemory, *, max_norm: float) -> None:
        """Limit the norm of all gradients together."""
        del module
        torch.nn.utils.clip_grad_norm_(list(optimiser.parameters()), max_norm)


class AdamWMemory:
    """What AdamW holds: two averages of each parameter all the time, and one more copy of all while it steps.

    Args:
        param_groups: an optimiser's.
    """

    def __init__(self, param_groups: list[dict[str, Any]]) -> None:
        self.param_groups = param_groups
        self._averages = [torch.empty_like(value) for value in self.parameters() for _ in range(2)]

    def parameters(self) -> Iterable[torch.Tensor]:
        """Yield all parameters."""
        for group in self.param_groups:
            yield from group["params"]

    @torch.no_grad()
    def step(self) -> None:
        """Hold what PyTorch's default for a GPU, which steps all parameters together, holds for a moment."""
        roots = [torch.empty_like(value) for value in self.parameters() if value.grad is not None]
        del roots

    def zero_grad(self) -> None:
        """Let go of the gradients."""
        for value in self.parameters():
            value.grad = None


def _full(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
