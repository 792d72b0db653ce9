"""What tells one plug-in that came as an object from another."""

from __future__ import annotations

import importlib.util
import linecache
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from medbench import plugin_files
from medbench.plugin_objects import UNKNOWN, identity

CLASS = "class Metric:\n    info = 1\n    def measure(self, evidence):\n        return {}\n"


def imported(path: Path, text: str) -> ModuleType:
    """Import a file as any script is imported."""
    path.write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


_CELLS = 0


def cell(namespace: dict[str, Any], text: str) -> None:
    """Run a cell as a notebook does: its text is kept under a name of its own, and there is no file."""
    global _CELLS
    _CELLS += 1
    name = f"<ipython-input-{_CELLS}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), namespace)


@pytest.fixture
def notebook() -> Any:
    """The names of a fresh notebook."""
    module = ModuleType("a_notebook")
    sys.modules["a_notebook"] = module
    yield vars(module)
    del sys.modules["a_notebook"]


def told(plugin: object, **options: bool) -> str:
    sha256, unknown = identity(plugin, **options)
    assert unknown is None
    return sha256


def test_a_class_of_a_file_is_what_its_file_reference_is(tmp_path: Path) -> None:
    module = imported(tmp_path / "mine_a.py", CLASS.format("{}"))
    assert told(module.Metric) == plugin_files.source_of(tmp_path / "mine_a.py").sha256
    assert told(module.Metric()) == told(module.Metric)


def test_a_file_that_was_edited_since_is_not_taken_for_what_was_imported(tmp_path: Path) -> None:
    module = imported(tmp_path / "mine_b.py", CLASS.format("{}"))
    (tmp_path / "mine_b.py").write_text(CLASS.format("{1}"), encoding="utf-8")
    sha256, unknown = identity(module.Metric)
    assert sha256.startswith(UNKNOWN)
    assert unknown is not None
    assert "has changed since Metric was imported" in unknown


def test_what_an_instance_holds_belongs_to_it(tmp_path: Path) -> None:
    text = f"{CLASS.format('{}')}    def __init__(self, held):\n        self.held = held\n"
    kind = imported(tmp_path / "mine_c.py", text).Metric
    held = (1, 2.0, "a", None, (1, 2), [1, 2], {"a": 1}, np.zeros(3), np.zeros((3, 1)), np.zeros(3, np.float32), Path())
    shas = [told(kind(one)) for one in held]
    assert len({*shas, told(kind(float("nan")))}) == len(held) + 1
    assert shas == [told(kind(one)) for one in held]
    assert len({told(kind(one), state=False) for one in held}) == 1


def test_what_cannot_be_told_is_nobody_elses(tmp_path: Path) -> None:
    text = f"{CLASS.format('{}')}    def __init__(self, held):\n        self.held = held\n"
    kind = imported(tmp_path / "mine_d.py", text).Metric
    plugins = [kind(object()), kind(iter(()))]
    found = [identity(plugin) for plugin in plugins]
    assert all(sha256.startswith(UNKNOWN) for sha256, _ in found)
    assert found[0][0] != found[1][0]
    assert found[0][1] == "the content of its 'held', an object, is not known"


def test_a_class_of_a_notebook_is_the_text_of_its_cell(notebook: dict[str, Any]) -> None:
    cell(notebook, CLASS.format("{}"))
    first = told(notebook["Metric"])
    cell(notebook, CLASS.format("{}"))
    assert told(notebook["Metric"]) == first
    cell(notebook, CLASS.format("{1}"))
    assert told(notebook["Metric"]) != first


@pytest.mark.parametrize(
    "changed",
    ["SCALE = 3\ndef helper():\n    return SCALE\n", "SCALE = 2\ndef helper():\n    return SCALE + 1\n"],
    ids=["a value", "a function"],
)
def test_what_a_notebooks_class_uses_from_other_cells_belongs_to_it(notebook: dict[str, Any], changed: str) -> None:
    cell(notebook, "SCALE = 2\ndef helper():\n    return SCALE\n")
    cell(notebook, "class Metric:\n    def measure(self, evidence):\n        return helper()\n")
    first = told(notebook["Metric"])
    cell(notebook, changed)
    assert told(notebook["Metric"]) != first


def test_what_a_notebooks_class_does_not_use_does_not_matter(notebook: dict[str, Any]) -> None:
    cell(notebook, "real = object()\nimport numpy as np\n")
    text = "class Metric:\n    def measure(self, evidence):\n        return np.mean(evidence.real)\n"
    cell(notebook, text)
    first = told(notebook["Metric"])
    cell(notebook, "real = object()\n")
    assert told(notebook["Metric"]) == first


def test_a_notebooks_class_that_uses_what_cannot_be_told(notebook: dict[str, Any]) -> None:
    cell(notebook, "network = object()\nclass Metric:\n    def measure(self, evidence):\n        return network\n")
    assert identity(notebook["Metric"])[1] == "the content of its 'network', an object, is not known"


def test_a_class_without_a_text(notebook: dict[str, Any]) -> None:
    exec(CLASS.format("{}"), notebook)
    assert "the text of Metric is not known" in str(identity(notebook["Metric"])[1])


def test_a_class_that_a_function_made_holds_what_it_took_from_there() -> None:
    def made(scale: object) -> type:
        class Metric:
            def measure(self, evidence: object) -> object:
                return scale

        return Metric

    assert told(made(1)) != told(made(2))
    assert told(made(1)) == told(made(1))
    assert identity(made(object()))[1] is not None
