"""The precision of sampling: float16 where it can be on a GPU, float32 on the CPU.

U-Net and ControlNet keep their weights in that type, so that no layer casts anything: under autocast each norm turns
its input into float32 and the next convolution turns the result back, which doubles what a step reads and writes. Norms
and attention still sum in float32 inside their kernels. The VQ-VAE stays in float32, since codes are chosen by
distances; its decoder runs under autocast.
"""

from __future__ import annotations

import contextlib

import torch


def sampling_dtype(device: torch.device | str) -> torch.dtype:
    """Return the type of the numbers that denoising and decoding compute with."""
    return torch.float16 if torch.device(device).type == "cuda" else torch.float32


def decoding_autocast(device: torch.device | str) -> contextlib.AbstractContextManager[object]:
    """Return the mixed precision of decoding; the codes are looked up in float32 all the same."""
    kind = torch.device(device).type
    return torch.autocast(kind, dtype=sampling_dtype(kind)) if kind == "cuda" else contextlib.nullcontext()


# oneDNN computes gradients of 3 x 3 x 3 weights wrongly in bfloat16 where an axis has two positions (torch 2.14).
_FEWEST_POSITIONS = 4


def training_autocast(features: torch.Tensor) -> contextlib.AbstractContextManager[object]:
    """Return the precision of a layer in training: that around it, but float32 on a CPU where an axis is too short."""
    kind = features.device.type
    short = kind == "cpu" and min(features.shape[2:]) < _FEWEST_POSITIONS
    return torch.autocast(kind, enabled=False) if short else contextlib.nullcontext()
