"""Writing a plug-in to start from under a name of the user's."""

from __future__ import annotations

import difflib
import re
from importlib import resources
from pathlib import Path
from typing import Final

from medbench import registry
from medbench.errors import SpecError, StorageError
from medbench.storage.files import make_folder

KINDS: Final[dict[str, registry.Kind]] = {
    "metric": "metrics",
    "generator": "generators",
    "dataset": "datasets",
    "extractor": "features",
}


def write(kind: str, name: str, folder: Path) -> Path:
    """Write the template of a kind as ``NAME.py``; return the file, which was not there before.

    Args:
        kind: one of ``KINDS``.
        name: of the plug-in, such as ``lung-texture``.
        folder: where the file goes.

    Raises:
        SpecError: no such kind, a name that cannot be one or is taken, or a file of that name that is there already.
        StorageError: the folder cannot be written.
    """
    text = rendered(kind, name)
    path = make_folder(folder) / f"{_snake(name)}.py"
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except FileExistsError as error:
        raise SpecError(f"{path} is there already and stays as it is: give another name or --out") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error.strerror})") from error
    return path


def rendered(kind: str, name: str) -> str:
    """Return the template of a kind under a name, as text; arguments and errors: ``write``."""
    if kind not in KINDS:
        near = difflib.get_close_matches(kind, KINDS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise SpecError(f"there is no template of a '{kind}': {hint}choose from {', '.join(KINDS)}")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9]*([-_][A-Za-z0-9]+)*", name):
        raise SpecError(f"'{name}' is no name: give letters, digits and hyphens, like lung-texture")
    plain = name.lower().replace("_", "-")
    if plain in registry.names(KINDS[kind]):
        raise SpecError(f"the name {plain} is taken by a {kind} that is installed: give another one")
    text = resources.files("medbench.templates").joinpath(f"{kind}.py").read_text(encoding="utf-8")
    for mark, own in (("template-name", plain), ("template_name", _snake(name)), ("TemplateName", class_name(name))):
        text = text.replace(mark, own)
    return text


def class_name(name: str) -> str:
    """Return the name of a plug-in's class.

    >>> class_name("lung-texture")
    'LungTexture'
    """
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_]", name))


def _snake(name: str) -> str:
    return name.lower().replace("-", "_")
