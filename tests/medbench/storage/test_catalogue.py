"""The catalogue holds what plug-ins declare, in the form that their kind has for it."""

from types import SimpleNamespace
from typing import Any

import pytest

from medbench import registry
from medbench.storage.catalogue import weight_files
from medbench.storage.weights import WeightFile

ONE, TWO, THREE = (WeightFile(name, f"{name}.pth", "example.org") for name in ("one", "two", "three"))
DECLARED: dict[str, Any] = {
    "features": {"weights": ONE},
    "segmenters": {},
    "generators": {"weights": (ONE, TWO)},
    "metrics": {"info": SimpleNamespace(weights={"net": THREE})},
}


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "names", lambda kind: ["mine"])
    monkeypatch.setattr(
        registry, "load", lambda kind, name: SimpleNamespace(**{"info": SimpleNamespace(), **DECLARED[kind]})
    )


def test_all_kinds_that_may_declare_files_are_asked(plugins: None) -> None:
    assert weight_files() == {"one": ONE, "two": TWO, "three": THREE}


def test_one_kind_can_be_asked_alone(plugins: None) -> None:
    assert weight_files("metrics") == {"three": THREE}
