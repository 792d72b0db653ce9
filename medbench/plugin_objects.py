"""Plug-ins that come as classes or instances: what tells one from another, so that no two numbers share a fingerprint.

A class in a file goes by the content of that file and its neighbours, as if it had been named ``file.py:Class``. One
that was typed in a notebook goes by the text of its cell and of all that its methods use from other cells. What an
instance holds, and what a class took from around it, is part of it. Where any of this cannot be told, the identity is
a new one in each process: nothing that such an object measured is ever taken for another's number, nor found again.
"""

from __future__ import annotations

import dis
import hashlib
import linecache
import sys
import sysconfig
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

from medbench import plugin_files
from medbench.spec import canonical_json

UNKNOWN: Final = "unknown"
_PROCESS = uuid.uuid4().hex
_PLAIN = (type(None), bool, int, float, str)
_PACKAGES = frozenset({"site-packages", "dist-packages"})


class _Untold(Exception):
    """Something has no content that could be told."""


def identity(plugin: object, *, state: bool = True) -> tuple[str, str | None]:
    """Return the SHA-256 of what a plug-in is, and None; or ``unknown:`` with this process's own sign, and why.

    Args:
        plugin: a class or an instance.
        state: an instance's attributes count; False where its own ``identity()`` tells of them.
    """
    kind = plugin if isinstance(plugin, type) else type(plugin)
    try:
        source, beside = _source(kind), {}
        if state and kind is not plugin:
            beside = {name: _content(value, name) for name, value in sorted(attributes(plugin).items())}
        around = _around(kind) if "<locals>" in kind.__qualname__ else {}
    except _Untold as reason:
        return f"{UNKNOWN}:{hashlib.sha256(f'{_PROCESS} {id(plugin)}'.encode()).hexdigest()}", str(reason)
    if not beside and not around:
        return source, None
    return _sha256(canonical_json({"source": source, "state": beside, "around": around})), None


def _source(kind: type) -> str:
    """Return the SHA-256 of the file that a class stands in, or of its text and of what that uses."""
    if (file := _file(sys.modules.get(kind.__module__))) is not None:
        try:
            _require_current(kind, file)
            return plugin_files.source_of(file).sha256
        except (OSError, SyntaxError, ValueError) as error:
            raise _Untold(f"{file} cannot be read any more ({error})") from error
    texts: dict[str, Any] = {}
    _tell(kind, texts)
    return _sha256(canonical_json(texts))


def _require_current(kind: type, file: Path) -> None:
    """Refuse a class that was imported before its file was edited: the file's content is then not its own."""
    there = set(_nested(compile(file.read_bytes(), str(file), "exec", dont_inherit=True)))
    own = [code for function in _functions(kind) if Path((code := function.__code__).co_filename) == file]
    if not there.issuperset(own):
        raise _Untold(f"{file} has changed since {kind.__qualname__} was imported: import it again")


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _file(module: ModuleType | None) -> Path | None:
    name = getattr(module, "__file__", None)
    return Path(name) if name and Path(name).suffix == ".py" and Path(name).is_file() else None


def _tell(thing: type | FunctionType, texts: dict[str, Any]) -> None:
    """Add the text of a class or function without a file, and of everything that it uses, by name."""
    name = thing.__qualname__
    if name in texts:
        return
    functions = [thing] if isinstance(thing, FunctionType) else list(_functions(thing))
    if not functions:
        raise _Untold(f"the text of {name} is not known: it has no method")
    texts[name] = _texts(functions, name)
    if isinstance(thing, type):
        for base in thing.__mro__[1:-1]:
            _tell_value(base.__qualname__, base, texts)
    for function in functions:
        for used in _globals(function.__code__):
            if used in function.__globals__:
                _tell_value(used, function.__globals__[used], texts)


def _tell_value(name: str, value: Any, texts: dict[str, Any]) -> None:
    if isinstance(value, ModuleType):
        texts.setdefault(name, _module(value))
    elif isinstance(value, (type, FunctionType)):
        module = sys.modules.get(value.__module__)
        if module is not None and (_file(module) is not None or module.__spec__ is not None):
            texts.setdefault(name, [_module(module), value.__qualname__])
        else:
            _tell(value, texts)
    else:
        texts.setdefault(name, _content(value, name))


def _module(module: ModuleType) -> list[str]:
    """Return a module's name, and the content of one of the user's own."""
    file = _file(module)
    if file is None or _is_installed(file) or plugin_files.is_ours(module.__name__):
        return [module.__name__]
    return [module.__name__, plugin_files.source_of(file).sha256]


def _is_installed(file: Path) -> bool:
    return bool(_PACKAGES.intersection(file.parts)) or file.is_relative_to(sysconfig.get_path("stdlib"))


def _functions(kind: type) -> Iterator[FunctionType]:
    for value in vars(kind).values():
        parts = (value.fget, value.fset) if isinstance(value, property) else (getattr(value, "__func__", value),)
        yield from (part for part in parts if isinstance(part, FunctionType))


def _texts(functions: Sequence[FunctionType], name: str) -> list[str]:
    """Return the texts of the cells that functions stand in; what a decorator made of these has none of its own."""
    files = {function.__code__.co_filename for function in functions} - {"<string>"}
    texts = ["".join(linecache.getlines(file)) for file in sorted(files)]
    if not texts or not all(texts):
        raise _Untold(f"the text of {name} is not known: write it in a file or a notebook's cell")
    return sorted(texts)


def _globals(code: CodeType) -> Iterator[str]:
    """Yield the global names that a function uses, also within what is nested in it."""
    for part in _nested(code):
        yield from (step.argval for step in dis.get_instructions(part) if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"))


def _around(kind: type) -> dict[str, Any]:
    """Return what a class's methods took from the function that it was made in."""
    found = {}
    for function in _functions(kind):
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            if name != "__class__":
                found[name] = _content(cell.cell_contents, name)
    return found


def attributes(plugin: object) -> Mapping[str, Any]:
    """Return what an instance holds, by name."""
    slots = [name for kind in type(plugin).__mro__ for name in getattr(kind, "__slots__", ())]
    slots = [name for name in slots if not name.startswith("__") and hasattr(plugin, name)]
    return {**{name: getattr(plugin, name) for name in slots}, **getattr(plugin, "__dict__", {})}


def _content(value: Any, name: str) -> Any:
    """Return a plain value as JSON has it, and arrays by their bytes."""
    import numpy as np

    if isinstance(value, _PLAIN):
        return value if value == value and value not in (float("inf"), float("-inf")) else repr(value)
    if isinstance(value, Path):
        return ["path", str(value)]
    if isinstance(value, (np.ndarray, np.generic)) and value.dtype != object:
        array = np.ascontiguousarray(value)
        return ["array", str(array.dtype), list(array.shape), hashlib.sha256(array.tobytes()).hexdigest()]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, *(_content(one, name) for one in value)]
    if isinstance(value, (set, frozenset)):
        return ["set", *sorted(canonical_json(_content(one, name)) for one in value)]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _content(one, name) for key, one in value.items()}
    if isinstance(value, (type, FunctionType)):
        texts: dict[str, Any] = {}
        _tell_value(name, value, texts)
        return texts
    raise _Untold(f"the content of its '{name}', {_article(type(value).__name__)}, is not known")


def _article(noun: str) -> str:
    return f"{'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
