"""Training tiny checkpoints again: what it leaves, and that nothing finished is done again."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from medbench import registry, silent


@pytest.fixture
def train_tiny(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parent)
    # Not as a plug-in: worker processes of later tests would import it, too, without its neighbour.
    module = importlib.import_module("train_tiny")
    judged: list[str] = []

    class Found:
        def document(self) -> dict[str, object]:
            return {"goals": [], "results": {"fid25d": {"value": 0.02}}}

    def judge(model: str, *arguments: object, **named: object) -> Found:
        judged.append(model)
        return Found()

    monkeypatch.setattr(module, "judge", judge)
    monkeypatch.setattr(module, "judged", judged, raising=False)
    return module


@pytest.fixture
def model(toy_generator: str, monkeypatch: pytest.MonkeyPatch) -> str:
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda kind, name: load(kind, toy_generator if name == "toy" else name))
    return "toy"


def test_a_checkpoint_is_kept_with_its_record(train_tiny: Any, model: str, tmp_path: Path) -> None:
    record = train_tiny.one(model, tmp_path, silent)
    assert record == json.loads((tmp_path / "toy" / "tiny.json").read_bytes())
    assert record["command"] == "medbench fit --model toy --dataset phantom --preset tiny --seed 0"
    assert record["bytes"] == (tmp_path / "toy" / "tiny.safetensors").stat().st_size
    assert record["training"]["seconds"] >= 0


def test_what_is_finished_is_not_done_again(train_tiny: Any, model: str, tmp_path: Path) -> None:
    first = train_tiny.one(model, tmp_path, silent)
    assert train_tiny.one(model, tmp_path, silent) == first
    assert train_tiny.judged == ["toy"]


def test_the_clock_goes_on_where_an_attempt_was_killed(train_tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "seconds.json").write_text("100.5")
    clock = train_tiny.Clocked(silent, tmp_path / "seconds.json")
    assert list(clock.track(range(3), task="train")) == [0, 1, 2]
    clock.note_time()
    assert 100.5 <= json.loads((tmp_path / "seconds.json").read_bytes()) < 101.5


def test_every_shipped_model_is_among_those_that_are_trained(train_tiny: Any) -> None:
    assert "medlord" in train_tiny.tiny_models()
    assert "real" not in train_tiny.tiny_models()
