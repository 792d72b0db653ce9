"""Plug-ins by name: entry points are the only list, and nothing is imported until it is asked for."""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.util
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from medbench.errors import SpecError, UnknownPluginError

Kind = Literal["generators", "datasets", "metrics", "segmenters", "features"]

# What the command line and the messages call one plug-in of a kind.
_SINGULAR: dict[str, str] = {
    "generators": "model",
    "datasets": "dataset",
    "metrics": "metric",
    "segmenters": "segmenter",
    "features": "extractor",
}
_INFO: dict[Kind, str] = {
    "generators": "GeneratorInfo",
    "datasets": "DatasetInfo",
    "metrics": "MetricInfo",
    "segmenters": "SegmenterInfo",
    "features": "ExtractorInfo",
}
_FILE_MODULE = "medbench_plugin_"


@functools.cache
def _table(kind: Kind) -> dict[str, EntryPoint]:
    table: dict[str, EntryPoint] = {}
    for entry in entry_points(group=f"medbench.{kind}"):
        name = entry.name.lower()
        other = table.get(name)
        if other is not None and other.value != entry.value:
            raise SpecError(
                f"two packages offer the {_SINGULAR[kind]} '{name}': uninstall one ({other.value} or {entry.value})"
            )
        table[name] = entry
    return table


def names(kind: Kind) -> list[str]:
    """Return the names of all installed plug-ins of a kind, sorted, without importing them."""
    return sorted(_table(kind))


def canonical(name: str) -> str:
    """Return a name as it is registered: lower case, unless it is a ``path/to/file.py:Class``."""
    return name if _is_file_reference(name) else name.lower()


def _is_file_reference(name: str) -> bool:
    return name.rpartition(":")[0].endswith(".py")


def source_sha256(name: str) -> str | None:
    """Return the SHA-256 of the file behind a ``path/to/file.py:Class``; None for a registered name."""
    if not _is_file_reference(name):
        return None
    return hashlib.sha256(Path(name.rpartition(":")[0]).read_bytes()).hexdigest()


def load(kind: Kind, name: str) -> Any:
    """Return the plug-in class registered under a name (case does not matter), or named as ``path/to/file.py:Class``.

    Raises:
        UnknownPluginError: nothing has that name; the message holds the nearest ones.
        SpecError: its package or file cannot be imported; the message names it.
    """
    if _is_file_reference(name):
        return _load_from_file(kind, name)
    table = _table(kind)
    entry = table.get(canonical(name))
    if entry is None:
        near = difflib.get_close_matches(name.lower(), table, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        listing = "models" if kind == "generators" else kind
        raise UnknownPluginError(f"no {_SINGULAR[kind]} is called '{name}': {hint}'medbench list {listing}' shows all")
    try:
        return entry.load()
    except Exception as error:  # another package's module, which may raise anything
        package = entry.dist.name if entry.dist else entry.module.partition(".")[0]
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise SpecError(
            f"the {_SINGULAR[kind]} '{entry.name}' ({entry.value}) cannot be imported ({why}): mend or uninstall the "
            f"package {package}"
        ) from error


def _load_from_file(kind: Kind, reference: str) -> Any:
    location, _, attribute = reference.rpartition(":")
    path = Path(location)
    if not path.is_file():
        raise UnknownPluginError(f"{path} does not exist: give a {_SINGULAR[kind]} as path/to/file.py:ClassName")
    try:
        module = import_file(path)
    except (Exception, SystemExit) as error:  # somebody's script, which may do anything
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise SpecError(f"{path} cannot be imported ({why}): mend the file") from error
    if not hasattr(module, attribute):
        raise UnknownPluginError(
            f"{path} has no class '{attribute}': give a {_SINGULAR[kind]} as path/to/file.py:ClassName"
        )
    plugin = getattr(module, attribute)
    wanted, found = _INFO[kind], getattr(plugin, "info", None)
    if wanted not in (base.__name__ for base in type(found).__mro__):
        raise SpecError(f"{path}: {attribute}.info is no {wanted}, so it is no {_SINGULAR[kind]}: see CONTRIBUTING.md")
    return plugin


def import_file(path: Path) -> ModuleType:
    """Import a plug-in's file once, under a name by which its objects can be pickled (see ``imported_files``)."""
    resolved = path.resolve()
    name = f"{_FILE_MODULE}{hashlib.sha256(str(resolved).encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    module_spec = importlib.util.spec_from_file_location(name, resolved)
    assert module_spec is not None and module_spec.loader is not None  # the suffix is .py
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def imported_files() -> list[Path]:
    """Return the plug-in files imported so far: worker processes import them before they unpickle work."""
    return [Path(str(module.__file__)) for name, module in sys.modules.items() if name.startswith(_FILE_MODULE)]
