"""ONNX Runtime computes features where it is installed and torch was not asked for."""

from __future__ import annotations

import pytest

from medbench.records.cpu_engine import SETTING, through_onnx_runtime


def test_torch_can_be_asked_for_and_serves_where_the_extra_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING)
    assert through_onnx_runtime()
    monkeypatch.setattr("medbench.extras.find_spec", lambda name: None)
    assert not through_onnx_runtime()
    monkeypatch.undo()
    monkeypatch.setenv(SETTING, "torch")
    assert not through_onnx_runtime()
