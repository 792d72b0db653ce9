"""Moving averages of weights, learning rates by step, optimiser steps of several passes, and seeded initial weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch  # noqa: TID253  this module is imported only by what trains


class Ema:
    """Exponential moving average of a module's parameters, in float32.

    The decay is ramped, ``min(decay, (1 + i) / (10 + i))`` for update i: with a plain decay a short run would still
    hold much of its initial weights.
    """

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.average = {name: value.detach().float().clone() for name, value in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module) -> None:
        """Take in the module's present parameters."""
        weight = 1.0 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, value in module.named_parameters():
            self.average[name].lerp_(value.detach().float(), weight)

    def applied_to(self, module: torch.nn.Module) -> torch.nn.Module:
        """Return a copy of the module with the averaged parameters."""
        averaged = copy.deepcopy(module)
        averaged.load_state_dict({**module.state_dict(), **self.average})
        return averaged

    def state_dict(self) -> dict[str, Any]:
        """Return the number of updates and the averages."""
        return {"updates": self.updates, "average": self.average}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore a state in place, on the devices the averages are on."""
        self.updates = state_dict["updates"]
        for name, value in state_dict["average"].items():
            self.average[name].copy_(value)


def cosine_rate(step: int, steps: int, *, peak: float, warmup: int = 50) -> float:
    """Return the learning rate of a step: linear warm-up to ``peak``, then half a cosine down to 0 at ``steps``."""
    ramp = min(1.0, (step + 1) / warmup)
    return peak * ramp * 0.5 * (1.0 + math.cos(math.pi * step / steps))


_EXPONENTIAL_END = 0.08  # what a decay by 0.9995 an epoch leaves after 5000 epochs


def learning_rate(schedule: str, step: int, steps: int, *, peak: float) -> float:
    """Return the learning rate of a step.

    Args:
        schedule: ``constant``; ``cosine`` (see ``cosine_rate``); ``exponential``, from ``peak`` to 0.08 of it;
            ``quadratic``, the square of a straight line down to 0.
        step: index of the step.
        steps: steps in all.
        peak: highest rate.

    Raises:
        ValueError: another schedule.
    """
    rates = {
        "constant": lambda: peak,
        "cosine": lambda: cosine_rate(step, steps, peak=peak),
        "exponential": lambda: peak * float(_EXPONENTIAL_END ** (step / steps)),
        "quadratic": lambda: peak * (1.0 - step / steps) ** 2,
    }
    if schedule not in rates:
        raise ValueError(f"no learning rate schedule is called {schedule!r}: choose from {', '.join(rates)}")
    return rates[schedule]()


def set_learning_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all parameter groups."""
    for group in optimiser.param_groups:
        group["lr"] = rate


def descend(
    fabric: Any,
    module: Any,
    optimiser: Any,
    passes: Sequence[Callable[[], torch.Tensor]],
    *,
    clip_norm: float = 1.0,
) -> torch.Tensor:
    """Make one optimiser step down the mean of several losses, and return that mean.

    Args:
        fabric: the launched one, or a rehearsal.
        module: what is trained, as ``fabric.setup`` returned it.
        optimiser: its optimiser, likewise.
        passes: each computes a loss; its activations are let go of before the next begins.
        clip_norm: largest norm of all gradients together.
    """
    losses = []
    for number, compute in enumerate(passes, start=1):
        with fabric.no_backward_sync(module, enabled=number < len(passes)):  # processes exchange the sum of all passes
            loss = compute()
            fabric.backward(loss / len(passes))
        losses.append(loss.detach())
        del loss
    fabric.clip_gradients(module, optimiser, max_norm=clip_norm)
    optimiser.step()
    optimiser.zero_grad()
    return torch.stack(losses).mean()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed PyTorch's initialisers inside the block; the global state is as before afterwards."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
