"""One contract for every registered plug-in, ours and yours."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import tomllib
from pathlib import Path
from typing import Any, get_args

import pytest

from medbench import registry
from medbench.drawing.montage import MONTAGE
from medbench.generators.base import GeneratorInfo
from medbench.metrics.base import MetricInfo

ROOT = Path(__file__).parents[1]
PLUGINS = [(kind, name) for kind in get_args(registry.Kind) for name in registry.names(kind)]


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_metadata_is_complete(kind: registry.Kind, name: str) -> None:
    info = registry.load(kind, name).info
    assert info.name == name
    assert info.version
    optional = {field.name for field in dataclasses.fields(info) if _has_default(field)}
    optional |= {"unit", "native_shape", "paper", "stand_in", "min_real", "min_synthetic"}
    if kind == "datasets":
        optional.add("protocol")
    empty = [field for field in vars(info) if field not in optional and not getattr(info, field)]
    assert not empty, f"the declaration of {name} leaves out {', '.join(empty)}"


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


@pytest.mark.parametrize(("kind", "name"), PLUGINS)
def test_public_methods_are_documented_and_hide_nothing(kind: registry.Kind, name: str) -> None:
    plugin = registry.load(kind, name)
    assert inspect.getdoc(plugin)
    for attribute, method in inspect.getmembers(plugin, inspect.isfunction):
        if attribute.startswith("_"):
            continue
        assert inspect.getdoc(method), f"{name}.{attribute} has no docstring"
        kinds = {parameter.kind for parameter in inspect.signature(method).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds, f"{name}.{attribute} takes **kwargs"


@pytest.mark.parametrize("name", registry.names("metrics"))
def test_metrics_say_how_to_read_them(name: str) -> None:
    info: MetricInfo = registry.load("metrics", name).info
    assert info.better in ("lower", "higher")
    assert info.min_real + info.min_synthetic >= 1
    assert info.source


def test_figures_of_metrics_have_names_of_their_own_and_words() -> None:
    figures = [one for name in registry.names("metrics") for one in registry.load("metrics", name).info.figures]
    files = [MONTAGE.file, *(f"figures/{figure.name}.png" for figure in figures)]
    assert len(set(files)) == len(files)
    assert all(figure.caption.endswith(".") and figure.alt for figure in figures)


@pytest.mark.parametrize("name", registry.names("generators"))
def test_generators_have_presets_and_capabilities(name: str) -> None:
    info: GeneratorInfo = registry.load("generators", name).info
    assert info.presets
    assert info.capabilities


@pytest.mark.parametrize("name", registry.names("generators"))
def test_constructors_only_store(name: str) -> None:
    plugin: Any = registry.load("generators", name)
    generator = plugin(plugin.info.presets[0], device="cpu")
    assert generator.preset == plugin.info.presets[0]
    assert generator.device == "cpu"


def test_every_plugin_file_has_its_entry() -> None:
    """A plug-in class (one with an ``info``) without an entry point would never be found."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {target for group in project["entry-points"].values() for target in group.values()}
    missing = []
    for folder in (
        *(f"medbench/{kind}" for kind in ("datasets", "features", "metrics", "segmenters")),
        "medbench_models",
    ):
        for path in (ROOT / folder).rglob("*.py"):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            classes = (
                node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)
            )
            targets = {f"{module}:{node.name}" for node in classes if _is_plugin(node)}
            missing += sorted(targets - declared)
    assert not missing, f"add a line under [project.entry-points] in pyproject.toml for {missing}"


def _is_plugin(node: ast.ClassDef) -> bool:
    if any(getattr(base, "id", "") == "Protocol" for base in node.bases):
        return False
    return any(isinstance(part, ast.AnnAssign) and getattr(part.target, "id", "") == "info" for part in node.body)


def test_unknown_names_answer_with_near_ones() -> None:
    with pytest.raises(registry.UnknownPluginError, match="did you mean fid25d"):
        registry.load("metrics", "fid25")


def test_names_ignore_case() -> None:
    assert registry.load("generators", "Real") is registry.load("generators", "real")
