"""The precision of sampling: float16 where it can be on a GPU, float32 on the CPU.

U-Net and ControlNet keep their weights in that type, so that no layer casts anything: under autocast each norm turns
its input into float32 and the next convolution turns the result back, which doubles what a step reads and writes. Norms
and attention still sum in float32 inside their kernels. The VQ-VAE stays in float32, since codes are chosen by
distances; its decoder runs under autocast.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch


def sampling_dtype(device: torch.device | str) -> torch.dtype:
    """Return the type of the numbers that denoising and decoding compute with."""
    return torch.float16 if torch.device(device).type == "cuda" else torch.float32


@contextlib.contextmanager
def built_as_sampled() -> Iterator[None]:
    """Let networks be built here with weights as they are sampled with on a GPU: in float16.

    Those of a rehearsal have no contents that could be converted.
    """
    before = torch.get_default_dtype()
    torch.set_default_dtype(sampling_dtype("cuda"))
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def decoding_autocast(device: torch.device | str) -> contextlib.AbstractContextManager[object]:
    """Return the mixed precision of decoding; the codes are looked up in float32 all the same."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=sampling_dtype(kind)) if kind == "cuda" else contextlib.nullcontext()


# oneDNN computes gradients of 3 x 3 x 3 weights wrongly in bfloat16 where an axis has two positions (torch 2.14).
_FEWEST_POSITIONS = 4


def applied(layer: Callable[[torch.Tensor], torch.Tensor], features: torch.Tensor) -> torch.Tensor:
    """Return a layer's output, computed in float32 where a CPU's mixed precision would have wrong gradients.

    Args:
        layer: a convolution and what follows it.
        features: (n, c, x, y, z).
    """
    if torch.is_autocast_enabled("cpu") and min(features.shape[2:]) < _FEWEST_POSITIONS:
        with torch.autocast("cpu", enabled=False):
            return layer(features.float())
    return layer(features)
