"""What computes attention here: an installed xformers says little, its kernels belong to one PyTorch and some GPUs."""

from __future__ import annotations

import functools
from typing import Literal

Backend = Literal["xformers", "sdpa", "plain"]


def best_backend(device: str) -> Backend:
    """Return ``xformers`` where it works on a torch device, else ``sdpa``, PyTorch's scaled_dot_product_attention."""
    return "xformers" if xformers_works(device) else "sdpa"


@functools.cache
def xformers_works(device: str) -> bool:
    """Say whether xformers computes a tiny attention, forward and backward, in float16.

    A build that does not fit raises one of many errors, at import or at the first call; all mean that it is no use.

    Args:
        device: a torch device.
    """
    import torch

    if torch.device(device).type != "cuda":
        return False  # it has no kernels for the CPU
    try:
        from xformers.ops import memory_efficient_attention

        with torch.enable_grad():
            tokens = torch.zeros(1, 16, 2, 32, device=device, dtype=torch.float16, requires_grad=True)
            memory_efficient_attention(tokens, tokens, tokens).sum().backward()
    except (ImportError, OSError, RuntimeError, NotImplementedError, ValueError, AttributeError):
        return False
    return True
