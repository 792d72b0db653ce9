"""What a user asks for: names, devices and presets, and what is said where there is no such thing."""

from __future__ import annotations

import pytest

from medbench.errors import SpecError, UnknownPluginError
from medbench.generators.real import Real
from medbench.pipeline.options import resolve_metrics, resolve_preset, split_names


def test_metrics_are_named_once_in_any_case() -> None:
    assert resolve_metrics(split_names(" FID25D, rvr,,fid25d ")) == ["fid25d", "rvr"]
    assert set(resolve_metrics(())) < set(resolve_metrics(["ALL"]))
    with pytest.raises(UnknownPluginError, match="did you mean fid25d"):
        resolve_metrics(["fid2d"])


def test_the_first_preset_is_the_default_and_unknown_ones_are_refused() -> None:
    assert resolve_preset(Real.info, None) == resolve_preset(Real.info, "held-out") == "held-out"
    with pytest.raises(SpecError, match="choose from held-out"):
        resolve_preset(Real.info, "big")
