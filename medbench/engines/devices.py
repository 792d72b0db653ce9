"""Which torch device a process computes on, and how the GPUs of a machine are dealt out to processes."""

from __future__ import annotations

import os

from medbench.errors import SpecError


def resolve_device(asked: str) -> str:
    """Return ``cpu`` or ``cuda:i``; ``auto`` takes the current CUDA device where there is one.

    Raises:
        SpecError: no such device here.
    """
    if asked == "cpu":
        return "cpu"
    if asked != "auto" and asked.partition(":")[0] != "cuda":
        raise SpecError(f"'{asked}' is no device: give auto, cpu, cuda or cuda:1")
    import torch

    if asked == "auto":
        return f"cuda:{torch.cuda.current_device()}" if torch.cuda.is_available() else "cpu"
    index = asked.removeprefix("cuda").removeprefix(":") or "0"
    if not index.isdigit() or int(index) >= torch.cuda.device_count():
        raise SpecError(
            f"there is no device {asked} here ({torch.cuda.device_count()} CUDA devices): give --device cpu"
        )
    return asked


def gpus_to_share(asked: str) -> tuple[str, ...]:
    """Return what CUDA_VISIBLE_DEVICES is to be for each process, where several GPUs may be used; else nothing.

    Args:
        asked: ``auto`` and ``cuda`` use all GPUs that this process sees; a GPU that is named is used alone.
    """
    if asked not in ("auto", "cuda"):
        return ()
    import torch

    count = torch.cuda.device_count()
    if count < 2:
        return ()
    visible = [name.strip() for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return tuple(visible[:count]) if len(visible) >= count else tuple(map(str, range(count)))
