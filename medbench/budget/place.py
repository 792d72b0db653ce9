"""Where a computation ran out of memory: the layer and the tensor it worked on, read from the error's traceback.

Nothing watches the networks for this while they run.
"""

from __future__ import annotations

from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def place_of(error: BaseException) -> str:
    """Return the place in words: ``in Decoder.blocks.7, working on 1x128x256x256x128 float16``."""
    frames = _forward_frames(error)
    if not frames:
        return "outside the forward pass of the networks"
    inner = frames[-1].f_locals["self"]
    layer = next(name for frame in frames if (name := _name_within(frame.f_locals["self"], inner)) is not None)
    tensor = _largest(frames[-1].f_locals)
    if tensor is None:
        return f"in {layer}"
    return f"in {layer}, working on {'x'.join(map(str, tensor.shape))} {str(tensor.dtype).removeprefix('torch.')}"


def _forward_frames(error: BaseException) -> list[FrameType]:
    """Return the calls of networks' forward methods that led to an error, the outermost first."""
    import torch

    frames, step = [], error.__traceback__
    while step is not None:
        frame = step.tb_frame
        if frame.f_code.co_name == "forward" and isinstance(frame.f_locals.get("self"), torch.nn.Module):
            frames.append(frame)
        step = step.tb_next
    return frames


def _name_within(network: torch.nn.Module, layer: torch.nn.Module) -> str | None:
    for name, part in network.named_modules():
        if part is layer:
            return ".".join(filter(None, (type(network).__name__, name)))
    return None


def _largest(values: dict[str, Any]) -> torch.Tensor | None:
    import torch

    tensors = [value for value in values.values() if isinstance(value, torch.Tensor)]
    return max(tensors, key=lambda tensor: tensor.nbytes, default=None)
