"""Named protocols: TOML files that anyone may copy and change; the fingerprint changes with them."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path

from pydantic import ValidationError

from medbench.errors import SpecError, UnknownPluginError
from medbench.spec import Protocol

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Return the names of the protocols that come with medbench."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def load(name: str) -> Protocol:
    """Return the protocol of that name, or the one in the TOML file at that path.

    Raises:
        UnknownPluginError: neither a name nor a file.
        SpecError: the file is no protocol; the message names the field.
    """
    path = Path(name) if name.endswith(".toml") else _FOLDER / f"{name.lower()}.toml"
    try:
        return Protocol.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
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
