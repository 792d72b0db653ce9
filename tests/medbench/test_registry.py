"""Plug-ins are found by name."""

from __future__ import annotations

import pytest

from medbench import registry


def test_unknown_names_answer_with_near_ones() -> None:
    with pytest.raises(registry.UnknownPluginError, match="did you mean fid25d"):
        registry.load("metrics", "fid25")


def test_names_ignore_case() -> None:
    assert registry.load("generators", "Real") is registry.load("generators", "real")
