"""The viewer's own files: a style sheet and ES modules, as they lie or as one script for a page that loads nothing."""

from __future__ import annotations

import base64
import graphlib
import hashlib
import re
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+\.js)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=const|class|function|async)", re.MULTILINE)


def style() -> str:
    """Return the viewer's style sheet."""
    return (STATIC / "viewer.css").read_text(encoding="utf-8")


def joined_script(entry: str) -> str:
    """Return a module and all that it imports as one script without imports.

    A page opened from a ``file:`` address may not load modules, but may hold one. The modules keep to what this needs:
    named imports from files beside them, nothing renamed, no name used twice at the top of two modules.

    Args:
        entry: a module of ``STATIC``, such as ``standalone.js``.
    """
    sources: dict[str, str] = {}
    imported: dict[str, list[str]] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name not in sources:
            sources[name] = (STATIC / name).read_text(encoding="utf-8")
            imported[name] = _IMPORT.findall(sources[name])
            waiting += imported[name]
    ordered = graphlib.TopologicalSorter(imported).static_order()
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", sources[name])).strip() + "\n" for name in ordered)


def csp_hash(text: str) -> str:
    """Return the source expression by which a policy allows one inline script or style (CSP level 3, 2.3.1)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
