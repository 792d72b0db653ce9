"""What the next steps need, loaded by a thread while the present one is taken: a step does not wait for data."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TypeVar

import torch  # noqa: TID253  this module is imported only by what trains
from torch.utils import _pytree as pytree  # noqa: TID253  likewise

from medbench.engines.ahead import ahead

T = TypeVar("T")

STEPS_AHEAD = 2  # a slow read may take as long as a step without being noticed


def loaded_ahead(load: Callable[[int], T], indices: Iterable[int], *, steps: int = STEPS_AHEAD) -> Generator[T]:
    """Yield what is loaded for each index, in order; never more than ``steps`` of them wait.

    A thread is enough: copying arrays and drawing numbers, which is what loading is, leave other threads free. An error
    of ``load`` is raised where its step would be taken.

    Args:
        load: depends on its index alone.
        indices: of the steps.
        steps: how many are loaded while one is taken.
    """
    return ahead(map(load, indices), most=steps)


def pinned(loaded: T) -> T:
    """Return what was loaded with its tensors in memory that a GPU copies from while both go on working.

    Args:
        loaded: tensors in tuples, lists and dictionaries, among other things.
    """
    kept: T = pytree.tree_map_only(torch.Tensor, lambda tensor: tensor.pin_memory(), loaded)
    return kept
