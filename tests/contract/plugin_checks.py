"""What the class of every plug-in must hold, whatever its kind: what it declares, documents and pickles."""

from __future__ import annotations

import dataclasses
import inspect
import pickle
from collections.abc import Callable
from typing import Any, get_args

from medbench import registry
from medbench.generators.base import TrainingData
from medbench.metrics.base import Need
from medbench.spec import Protocol

Check = Callable[[registry.Kind, Any], None]
_MAY_BE_EMPTY = {"unit", "native_shape", "paper", "stand_in", "min_real", "min_synthetic"}
_CONSTRUCTOR: dict[str, set[str]] = {
    "generators": {"preset", "device"},
    "datasets": {"root"},
    "metrics": set(),
    "segmenters": {"device"},
    "features": {"device"},
}


def built(kind: registry.Kind, plugin: Any) -> Any:
    """Return an instance, made as the pipeline makes it."""
    if kind == "generators":
        return plugin(plugin.info.presets[0], device="cpu")
    return plugin(device="cpu") if kind in ("segmenters", "features") else plugin()


def metadata_is_complete(kind: registry.Kind, plugin: Any) -> None:
    """Every field that has no default says something."""
    info = plugin.info
    required = {field.name for field in dataclasses.fields(info) if not _has_default(field)} - _MAY_BE_EMPTY
    empty = sorted(name for name in required if not getattr(info, name))
    assert not empty, f"the declaration of {info.name} leaves out {', '.join(empty)}"


def metadata_is_of_the_kind(kind: registry.Kind, plugin: Any) -> None:
    """What the gate, the report and the pipeline read of it makes sense."""
    info = plugin.info
    assert info.name == info.name.lower()
    if kind == "metrics":
        unknown = set(info.needs) - set(get_args(Need))
        assert not unknown, f"{info.name} needs {', '.join(unknown)}: a protocol has {', '.join(get_args(Need))}"
        assert info.better in ("lower", "higher")
        assert info.min_real + info.min_synthetic >= 1
        assert all(figure.caption.endswith(".") and figure.alt for figure in info.figures), "a figure lacks its words"
    if kind == "generators":
        assert info.capabilities
        for field in ("trained_on", "native_shapes"):
            assert set(getattr(info, field)) <= set(info.presets), f"{field} names a preset that is none"
        seen = [one for preset in info.trained_on.values() for one in preset]
        assert all(isinstance(one, TrainingData) for one in seen), "trained_on holds TrainingData"
    if kind == "features":
        assert info.sees in ("slices", "volumes")


def needs_are_fields_of_a_protocol(kind: registry.Kind, plugin: Any) -> None:
    """A need is read from the protocol, so that it has to be there."""
    assert set(get_args(Need)) <= set(Protocol.model_fields)


def methods_are_documented_and_hide_nothing(kind: registry.Kind, plugin: Any) -> None:
    """Public methods have a docstring and no ``**kwargs``; the docstrings have the sections that callers look for."""
    assert inspect.getdoc(plugin)
    for name, method in inspect.getmembers(plugin, inspect.isfunction):
        if name.startswith("_"):
            continue
        assert inspect.getdoc(method), f"{plugin.info.name}.{name} has no docstring"
        kinds = {parameter.kind for parameter in inspect.signature(method).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds, f"{plugin.info.name}.{name} takes **kwargs"
    own = set(inspect.signature(plugin).parameters) - _CONSTRUCTOR[kind]
    assert not own or "Args:" in inspect.getdoc(plugin), f"the docstring does not say what {', '.join(own)} are"
    if kind == "metrics":
        assert "Raises:" in inspect.getdoc(plugin.measure), "the docstring does not say when it cannot be measured"


def class_instance_and_declaration_pickle(kind: registry.Kind, plugin: Any) -> None:
    """Workers of an engine get them that way."""
    assert pickle.loads(pickle.dumps(plugin)) is plugin
    assert pickle.loads(pickle.dumps(plugin.info)) == plugin.info
    assert type(pickle.loads(pickle.dumps(built(kind, plugin)))) is plugin


def constructors_only_store(kind: registry.Kind, plugin: Any) -> None:
    """What they are given is found again under its name; work happens in methods, so that this is quick and safe."""
    instance = built(kind, plugin)
    for name in _CONSTRUCTOR[kind] - {"root"}:
        assert getattr(instance, name) == (plugin.info.presets[0] if name == "preset" else "cpu")


CHECKS: tuple[Check, ...] = (
    metadata_is_complete,
    metadata_is_of_the_kind,
    needs_are_fields_of_a_protocol,
    methods_are_documented_and_hide_nothing,
    class_instance_and_declaration_pickle,
    constructors_only_store,
)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
