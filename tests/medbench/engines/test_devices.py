"""Which device a process computes on, and how GPUs are dealt out."""

from __future__ import annotations

import pytest
import torch

from medbench.engines.devices import gpus_to_share, resolve_device
from medbench.errors import SpecError


@pytest.mark.parametrize("asked", ["tpu", "cuda:x", "cuda:999"])
def test_a_device_that_is_not_here_is_refused(asked: str) -> None:
    assert resolve_device("cpu") == "cpu"
    with pytest.raises(SpecError, match=f"no device {asked}|'{asked}' is no device"):
        resolve_device(asked)


@pytest.mark.parametrize(
    ("asked", "count", "visible", "expected"),
    [
        ("auto", 4, None, ("0", "1", "2", "3")),
        ("cuda", 2, "5,7", ("5", "7")),
        ("cuda", 2, "GPU-ab,GPU-cd", ("GPU-ab", "GPU-cd")),
        ("cuda:1", 4, None, ()),
        ("cpu", 4, None, ()),
        ("auto", 1, None, ()),
        ("auto", 0, "", ()),
    ],
)
def test_several_gpus_are_dealt_out_unless_one_is_named(
    asked: str, count: int, visible: str | None, expected: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus_to_share(asked) == expected
