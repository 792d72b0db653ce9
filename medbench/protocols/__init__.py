"""Named protocols: TOML files that anyone may copy and change; the fingerprint changes with them."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from medbench import registry
from medbench.errors import SpecError, UnknownPluginError
from medbench.spec import Protocol

_FOLDER = Path(__file__).parent
_PLUGINS: Final = ("extractor", "volume_extractor", "segmenter")


def names() -> list[str]:
    """Return the names of the protocols that come with medbench."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load(name: str) -> Protocol:
    """Return the protocol of that name, or the one in the TOML file at that path.

    A plug-in's file that a TOML file names is looked for beside it first.

    Raises:
        UnknownPluginError: neither a name nor a file.
        SpecError: the file is no protocol; the message names the field.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name.lower()}.toml"
    try:
        found = Protocol.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        near = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UnknownPluginError(
            f"no protocol is called '{name}': {hint}'medbench list protocols' shows all, or give a .toml file"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        raise SpecError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, thousands of brackets
        raise SpecError(f"{path} is no TOML file: {error}") from error
    except OSError as error:
        raise SpecError(f"{path} cannot be read ({error.strerror}): give a .toml file") from error
    return found.model_copy(update={field: _beside(path, getattr(found, field)) for field in _PLUGINS})


def identity(protocol: Protocol) -> dict[str, Any]:
    """Return what tells a protocol from others: its fields, with the content of a plug-in's file in place of its path.

    Raises:
        UnknownPluginError: such a file is not there.
    """
    document = protocol.model_dump(mode="json")
    named = {field: document[field] for field in _PLUGINS}
    return document | {field: name and registry.described(name) for field, name in named.items()}


def _beside(file: Path, name: str | None) -> str | None:
    """Return a plug-in's name; where it is a path that exists beside a protocol's file, that path."""
    if name is None or not name.rpartition(":")[0].endswith(".py"):
        return name
    path, _, attribute = name.rpartition(":")
    return f"{file.parent / path}:{attribute}" if (file.parent / path).is_file() else name
