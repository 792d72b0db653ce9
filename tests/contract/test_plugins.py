from __future__ import annotations

import ast
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from contract.plugin_checks import CHECKS, Check, methods_are_documented_and_hide_nothing
from medbench import registry
from medbench.templates.writing import KINDS

ROOT = Path(__file__).parents[2]
TOYS = ROOT / "tests" / "toys.py"
INSTALLED = [(kind, name) for kind in get_args(registry.Kind) for name in registry.names(kind)]
OTHERS: list[tuple[registry.Kind, str]] = [
    ("datasets", f"{TOYS}:ToyDataset"),
    ("generators", f"{TOYS}:ToyGenerator"),
    ("metrics", f"{TOYS}:ToyMetric"),
]
TEMPLATES = ROOT / "medbench" / "templates"  # where medbench new starts from
OTHERS += [(plural, f"{TEMPLATES / kind}.py:TemplateName") for kind, plural in KINDS.items()]
# What belongs to a test needs no docstrings.
FOR_OTHERS = [check for check in CHECKS if check is not methods_are_documented_and_hide_nothing]
ALL = [(*plugin, check) for plugin in INSTALLED for check in CHECKS]
ALL += [(*plugin, check) for plugin in OTHERS for check in FOR_OTHERS]


@pytest.mark.parametrize(
    ("kind", "name", "check"), ALL, ids=[f"{kind}-{Path(name).name}-{check.__name__}" for kind, name, check in ALL]
)
def test_plugin(kind: registry.Kind, name: str, check: Check) -> None:
    check(kind, registry.load(kind, name))


@pytest.mark.parametrize(("kind", "name"), INSTALLED)
def test_names_are_those_of_the_entry_points(kind: registry.Kind, name: str) -> None:
    assert registry.load(kind, name).info.name == name


def test_figures_of_metrics_have_names_of_their_own() -> None:
    names = [
        figure.name for name in registry.names("metrics") for figure in registry.load("metrics", name).info.figures
    ]
    assert len({"montage", *names}) == 1 + len(names)


def test_every_plugin_has_its_entry() -> None:
    """A plug-in class (one with an ``info``) without an entry point would never be found."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {target for group in project["entry-points"].values() for target in group.values()}
    missing = []
    for path in (file for package in ("medbench", "medbench_models") for file in (ROOT / package).rglob("*.py")):
        if path.is_relative_to(TEMPLATES):
            continue
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        classes = (node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef))
        missing += sorted({f"{module}:{node.name}" for node in classes if _is_plugin(node)} - declared)
    assert not missing, f"add a line under [project.entry-points] in pyproject.toml for {missing}"


def _is_plugin(node: ast.ClassDef) -> bool:
    """Say whether a class has an ``info``; a contract or a base only declares one."""
    given = (part for part in node.body if isinstance(part, ast.AnnAssign) and part.value is not None)
    return any(getattr(part.target, "id", "") == "info" for part in given)
