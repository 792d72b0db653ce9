"""The memory that a computation needs on a GPU, predicted without one: it runs with tensors that have shapes only.

The network's own code runs, forward and backward, under PyTorch's fake tensors; a ledger counts every storage from the
operation that makes it to the moment it is released. (``torch.distributed._tools.mem_tracker.MemTracker`` counts alike,
but keeps sums by kind and module only, so that it cannot name the largest tensors.) The rules that differ between a CPU
and a GPU are the GPU's: mixed precision as CUDA applies it, attention fused. What the tensors do not hold is a margin,
not a prediction: the CUDA context, workspaces of convolutions, and gaps in the allocator's pool.
"""

from __future__ import annotations

import contextlib
import functools
import math
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import torch  # noqa: TID253  this module is imported only by what predicts
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: TID253  likewise
from torch.nn import functional  # noqa: TID253  likewise
from torch.nn.modules import module as module_hooks  # noqa: TID253  likewise
from torch.utils import _pytree as pytree  # noqa: TID253  likewise
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: TID253  likewise

# On top of the tensors: workspaces and gaps in proportion to them, and the CUDA context with its libraries.
MARGIN: Final = 0.15
CONTEXT_BYTES: Final = 2**30
_SHOWN: Final = 10


@dataclass(frozen=True)
class TensorSize:
    """A tensor that was alive at the peak; ``layer`` made it."""

    bytes: int
    shape: tuple[int, ...]
    dtype: str
    layer: str


@dataclass(frozen=True)
class Prediction:
    """The peak of live tensors in bytes, and the largest of those alive then, largest first."""

    tensor_bytes: int
    largest_tensors: tuple[TensorSize, ...]

    @property
    def peak_bytes(self) -> int:
        """What a GPU must have: the tensors, 15 % for workspaces and gaps, and 1 GiB for the context."""
        return math.ceil(self.tensor_bytes * (1.0 + MARGIN)) + CONTEXT_BYTES


def predict_peak(call: Callable[[], object]) -> Prediction:
    """Return what a computation would hold on a GPU at most.

    Args:
        call: builds its networks and inputs itself, on the CPU device, and computes; what it makes is never filled
            with numbers, so it must not look at any. Mixed precision is ``torch.autocast("cpu", dtype=...)``.
    """
    ledger = _Ledger()
    # With threads of its own the backward pass would leave the modes behind.
    with (
        torch.autograd.set_multithreading_enabled(False),
        _named_layers(ledger),
        FakeTensorMode(allow_non_fake_inputs=True),
        ledger,
        as_on_cuda(),
    ):
        result = call()
        del result
    return Prediction(ledger.peak, ledger.largest())


class _Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts storages while they live."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = 0
        self.peak = 0
        self.layers: list[str] = []
        self._live: dict[int, TensorSize] = {}
        self._at_peak: tuple[TensorSize, ...] = ()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        found = (_bincount if func is torch.ops.aten.bincount.default else func)(*args, **(kwargs or {}))
        for value in pytree.tree_leaves(found):
            if isinstance(value, torch.Tensor):
                self._add(value)
        return found

    def largest(self) -> tuple[TensorSize, ...]:
        """Return the largest tensors of the peak."""
        entries = self._at_peak if self.now < self.peak else self._live.values()
        return tuple(sorted(entries, key=lambda entry: entry.bytes, reverse=True)[:_SHOWN])

    def name(self, root: torch.nn.Module) -> None:
        """Let the weights of a network be called by their names."""
        for name, weight in (*root.named_parameters(), *root.named_buffers()):
            key = weight.untyped_storage()._cdata
            if key in self._live:
                self._live[key] = replace(self._live[key], layer=f"{type(root).__name__}.{name}")

    def _add(self, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key in self._live or size == 0:
            return
        dtype = str(tensor.dtype).removeprefix("torch.")
        self._live[key] = TensorSize(size, tuple(tensor.shape), dtype, self._layer())
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._release, key).atexit = False

    def _release(self, key: int) -> None:
        if self.now == self.peak:
            self._at_peak = tuple(self._live.values())
        self.now -= self._live.pop(key).bytes

    def _layer(self) -> str:
        if self.layers:
            return self.layers[-1]
        return "backward pass" if torch._C._current_graph_task_id() != -1 else "outside the networks"


def _bincount(values: torch.Tensor, weights: torch.Tensor | None = None, minlength: int = 0) -> torch.Tensor:
    """Stand in for an operation whose size depends on numbers that are not there: no value exceeds ``minlength``."""
    return values.new_empty(minlength, dtype=torch.int64 if weights is None else weights.dtype)


# Layers that CUDA computes in float32 under autocast, and the CPU as they come.
_IN_FULL_PRECISION: Final = ("group_norm", "layer_norm", "softmax", "interpolate")


@contextlib.contextmanager
def as_on_cuda() -> Iterator[None]:
    """Apply what CUDA does and the CPU does not: full precision of some layers under autocast, fused attention.

    Functions are replaced by name: a mode of torch's functions rests in the backward pass, where checkpointed layers
    are computed again.
    """
    attention = "scaled_dot_product_attention"
    before = {name: getattr(functional, name) for name in (*_IN_FULL_PRECISION, attention)}
    for name in _IN_FULL_PRECISION:
        setattr(functional, name, functools.partial(_fully, before[name]))
    setattr(functional, attention, _fused_attention)
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(functional, name, function)


def _fully(function: Callable[..., torch.Tensor], *args: Any, **named: Any) -> torch.Tensor:
    if torch.is_autocast_enabled("cpu"):
        args = pytree.tree_map_only(torch.Tensor, lambda one: one.float() if one.is_floating_point() else one, args)
    return function(*args, **named)


def _fused_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
) -> torch.Tensor:
    keeps = torch.is_grad_enabled()
    found: torch.Tensor = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, attn_mask, keeps, dropout_p, is_causal, scale=scale
    )[0]
    return found


@contextlib.contextmanager
def _named_layers(ledger: _Ledger) -> Iterator[None]:
    """Tell the ledger which layer runs, for every network that is called."""
    names: dict[int, str] = {}

    def enter(module: torch.nn.Module, inputs: object) -> None:
        del inputs
        if id(module) not in names:
            names.update({id(part): f"{type(module).__name__}.{name}" for name, part in module.named_modules() if name})
            names[id(module)] = type(module).__name__
            ledger.name(module)
        ledger.layers.append(names[id(module)])

    def leave(module: torch.nn.Module, inputs: object, output: object) -> None:
        del module, inputs, output
        ledger.layers.pop()

    with (
        module_hooks.register_module_forward_pre_hook(enter),
        module_hooks.register_module_forward_hook(leave, always_call=True),
    ):
        yield
