"""Plug-ins in files of a user's own: imported with the modules beside them, and known by the content of all of these.

A file's neighbours are the modules of its folder that it imports, directly or through one another, at its head or
inside functions. The folder joins the end of Python's search path: a neighbour never stands in for an installed
package, and one that has the name of another module is refused, not mistaken for it.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from medbench.errors import SpecError

_MODULE = "medbench_plugin_"
_OURS = frozenset({"medbench", "medbench_models", "leaderboard", "cli"})  # known by their version

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class Source:
    """A plug-in's file with its neighbours, and the SHA-256 of all of them (of one file: that of its bytes)."""

    files: tuple[Path, ...]
    sha256: str


_sources: dict[Path, tuple[list[Stamp], Source]] = {}
_imported: dict[Path, str] = {}  # SHA-256 of a neighbour when it was imported


class _FromSource(SourceFileLoader):
    """Compiles a file each time: compiled code that lies beside it may be that of an edit within the same second."""

    def path_stats(self, path: Any) -> Any:
        """Find no compiled code."""
        raise OSError


def source_of(path: Path) -> Source:
    """Return a plug-in's file with its neighbours; all are read again only once one of them changes.

    Raises:
        OSError: the file cannot be read.
    """
    path = path.resolve()
    stamps, known = _sources.get(path, ([], None))
    if known is None or [_stamp(file) for file in known.files] != stamps:
        files = _with_neighbours(path)
        hashes = {file.relative_to(path.parent).as_posix(): _sha256(file) for file in files}
        lines = "".join(f"{name} {digest}\n" for name, digest in sorted(hashes.items()))
        digest = hashes[path.name] if len(files) == 1 else hashlib.sha256(lines.encode()).hexdigest()
        known = Source(files, digest)
        _sources[path] = [_stamp(file) for file in files], known
    return known


def import_file(path: Path) -> ModuleType:
    """Import a plug-in's file once, under a name by which its objects can be pickled (see ``imported_files``).

    A file that has changed, or a neighbour of which has, is imported anew.

    Raises:
        SpecError: a neighbour has the name of another module.
    """
    path = path.resolve()
    source = source_of(path)
    name = f"{_MODULE}{hashlib.sha256(f'{path} {source.sha256}'.encode()).hexdigest()[:12]}"
    if name in sys.modules:
        return sys.modules[name]
    _offer(source.files[1:], path)
    module_spec = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    assert module_spec is not None and module_spec.loader is not None  # the suffix is .py
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def is_ours(module: str) -> bool:
    """Say whether a module is one of medbench's own packages, which are known by their version."""
    return module.partition(".")[0] in _OURS


def imported_files() -> list[Path]:
    """Return the plug-in files imported so far: worker processes import them before they unpickle work."""
    return [Path(str(module.__file__)) for name, module in sys.modules.items() if name.startswith(_MODULE)]


def _with_neighbours(path: Path) -> tuple[Path, ...]:
    found, waiting = [path], [path]
    while waiting:
        for file in _imports(waiting.pop(), path.parent):
            if file not in found:
                found.append(file)
                waiting.append(file)
    return tuple(found)


def _imports(file: Path, folder: Path) -> Iterator[Path]:
    """Yield the files below a folder that a module imports."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # whoever imports it is told
        return
    package = file.parent.relative_to(folder).parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _files_of(tuple(alias.name.split(".")), folder)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = (*above, *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                yield from _files_of((*base, alias.name), folder)


def _files_of(name: tuple[str, ...], folder: Path) -> Iterator[Path]:
    """Yield the files of the packages and the module that a dotted name stands for, so far as they lie in a folder."""
    if is_ours(name[0]):
        return
    for place in (folder.joinpath(*name[:depth]) for depth in range(1, len(name) + 1)):
        if (place / "__init__.py").is_file():
            yield place / "__init__.py"
        elif place.with_name(f"{place.name}.py").is_file():
            yield place.with_name(f"{place.name}.py")
        elif not place.is_dir():
            return


def _offer(neighbours: tuple[Path, ...], plugin: Path) -> None:
    """Make neighbours importable as they are now.

    Raises:
        SpecError: one has the name of another module.
    """
    folder = plugin.parent
    if neighbours and str(folder) not in sys.path:
        sys.path.append(str(folder))
    hashes = {file: _sha256(file) for file in neighbours}
    if any(_imported.get(file, digest) != digest for file, digest in hashes.items()):
        # All of them: one that has not changed may hold what it took from one that has.
        for name, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "") in hashes:
                del sys.modules[name]
    _imported.update(hashes)
    importlib.invalidate_caches()
    for top in dict.fromkeys(file.relative_to(folder).parts[0] for file in neighbours):
        name = top.removesuffix(".py")
        place = _place(importlib.util.find_spec(name))
        if place is None or not place.is_relative_to(folder / top):
            raise SpecError(
                f"{plugin} imports {folder / top}, and {name} is also the module {place or 'of Python itself'}: "
                "rename the file beside the plug-in"
            )


def _place(found: ModuleSpec | None) -> Path | None:
    """Return the file or folder where a module lies; None where it lies nowhere."""
    if found is None:
        return None
    if found.submodule_search_locations:
        return Path(next(iter(found.submodule_search_locations)))
    return Path(found.origin) if found.has_location and found.origin else None


def _stamp(file: Path) -> Stamp:
    try:
        status = file.stat()
    except OSError:
        return (-1, -1, -1)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
