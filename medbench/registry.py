"""Plug-ins by name: entry points are the only list, and nothing is imported until it is asked for."""

from __future__ import annotations

import difflib
import functools
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from medbench.errors import MedbenchError, SpecError, UnknownPluginError
from medbench.plugin_files import import_file, source_of

Kind = Literal["generators", "datasets", "metrics", "segmenters", "features"]

# What the command line and the messages call one plug-in of a kind.
_SINGULAR: dict[str, str] = {
    "generators": "model",
    "datasets": "dataset",
    "metrics": "metric",
    "segmenters": "segmenter",
    "features": "extractor",
}
# What only the declaration of a kind has.
_DECLARED: dict[Kind, str] = {
    "generators": "presets",
    "datasets": "protocol",
    "metrics": "min_synthetic",
    "segmenters": "stand_in",
    "features": "dimension",
}


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
    """Return the SHA-256 of the file behind a ``path/to/file.py:Class`` and its neighbours; None for a registered name.

    Raises:
        UnknownPluginError: there is no such file.
    """
    if not _is_file_reference(name):
        return None
    path = Path(name.rpartition(":")[0])
    try:
        return source_of(path).sha256
    except OSError as error:
        raise UnknownPluginError(f"{path} cannot be read ({error.strerror}): give path/to/file.py:ClassName") from error


def described(name: str) -> str:
    """Return a name that does not depend on where a plug-in's file lies: ``Class@`` and the start of its SHA-256."""
    source = source_sha256(name)
    return canonical(name) if source is None else f"{name.rpartition(':')[2]}@{source[:12]}"


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
    except (Exception, SystemExit) as error:  # another package's module, which may do anything
        package = entry.dist.name if entry.dist else entry.module.partition(".")[0]
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise SpecError(
            f"the {_SINGULAR[kind]} '{entry.name}' ({entry.value}) cannot be imported ({why}): mend or uninstall the "
            f"package {package}"
        ) from error


def _load_from_file(kind: Kind, reference: str) -> Any:
    location, _, attribute = reference.rpartition(":")
    path = Path(location)
    wanted = f"give {'an' if kind == 'features' else 'a'} {_SINGULAR[kind]} as path/to/file.py:ClassName"
    if not path.is_file():
        raise UnknownPluginError(f"{path} does not exist: {wanted}")
    try:
        module = import_file(path)
    except MedbenchError:
        raise
    except (Exception, SystemExit) as error:  # somebody's script, which may do anything
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise SpecError(f"{path} cannot be imported ({why}): mend the file") from error
    if not hasattr(module, attribute):
        raise UnknownPluginError(f"{path} has no class '{attribute}': {wanted}")
    plugin = getattr(module, attribute)
    if not hasattr(getattr(plugin, "info", None), _DECLARED[kind]):
        lack = f"{attribute} has no 'info' with the field '{_DECLARED[kind]}'"
        raise SpecError(f"{path}: {lack}, so it is no {_SINGULAR[kind]}: see CONTRIBUTING.md")
    return plugin
