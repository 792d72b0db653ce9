"""Plug-ins by name: entry points are the only list, and nothing is imported until it is asked for."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from medbench.errors import MedbenchError, SpecError, UnknownPluginError
from medbench.plugin_files import import_file, is_ours, source_of
from medbench.plugin_objects import UNKNOWN, attributes, identity

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


class _Made:
    """An instance where a class is expected: whoever makes one gets that one."""

    def __init__(self, instance: Any) -> None:
        self.info, self._instance = instance.info, instance
        self.__module__ = type(instance).__module__  # where messages say that it comes from

    def __call__(self, *_arguments: object, **_named: object) -> Any:
        return self._instance


@dataclass(frozen=True)
class _Lent:
    """A plug-in that came as an object, and its identity; None where its package's version is that."""

    plugin: Any
    source: str | None


_lent: dict[str, _Lent] = {}


@contextmanager
def lent(kind: Kind, plugin: Any, *, state: bool = True) -> Iterator[tuple[str, str | None]]:
    """Let a class or an instance be a plug-in of this process while the block runs.

    Args:
        kind: what it is.
        plugin: with an ``info``; a class that a package registers goes by its registered name.
        state: an instance's attributes belong to its identity.

    Yields:
        The name that it has until then, and why its identity is not known; None where it is.

    Raises:
        SpecError: it is no plug-in of that kind.
    """
    made = plugin if isinstance(plugin, type) else type(plugin)
    _require_declared(kind, plugin, made.__module__, made.__qualname__)
    known = next(
        (one.name for one in _table(kind).values() if one.value == f"{made.__module__}:{made.__qualname__}"), None
    )
    if known is not None and (made is plugin or (state and not attributes(plugin))):
        yield known, None
        return
    by_version = not state and (known is not None or is_ours(made.__module__))
    source, unknown = (None, None) if by_version else identity(plugin, state=state)
    name = f"{made.__name__}@{f'{id(plugin):x}' if source is None else source.removeprefix(f'{UNKNOWN}:')[:12]}"
    before = _lent.get(name)
    _lent[name] = _Lent(plugin if made is plugin else _Made(plugin), source)
    try:
        yield name, unknown
    finally:
        del _lent[name]
        if before is not None:
            _lent[name] = before


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
    """Return a name as it is registered: lower case, unless it is a ``path/to/file.py:Class`` or an object's."""
    return name if _is_file_reference(name) or name in _lent else name.lower()


def _is_file_reference(name: str) -> bool:
    return name.rpartition(":")[0].endswith(".py")


def source_sha256(name: str) -> str | None:
    """Return the SHA-256 of the file behind a ``path/to/file.py:Class`` and its neighbours; None for a registered name.

    Of an object it is its identity (see ``medbench.plugin_objects``).

    Raises:
        UnknownPluginError: there is no such file.
    """
    if name in _lent:
        return _lent[name].source
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
    return canonical(name) if source is None or name in _lent else f"{name.rpartition(':')[2]}@{source[:12]}"


def load(kind: Kind, name: str) -> Any:
    """Return the plug-in class registered under a name (case does not matter), or named as ``path/to/file.py:Class``.

    Raises:
        UnknownPluginError: nothing has that name; the message holds the nearest ones.
        SpecError: its package or file cannot be imported; the message names it.
    """
    if name in _lent:
        return _lent[name].plugin
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
    _require_declared(kind, plugin, path, attribute)
    return plugin


def _require_declared(kind: Kind, plugin: Any, place: Path | str, name: str) -> None:
    if not hasattr(getattr(plugin, "info", None), _DECLARED[kind]):
        lack = f"{name} has no 'info' with the field '{_DECLARED[kind]}'"
        raise SpecError(f"{place}: {lack}, so it is no {_SINGULAR[kind]}: see CONTRIBUTING.md")
