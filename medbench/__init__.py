"""medbench: evaluation-first benchmarking of generators of 3D CT volumes.

This is the public face: scripts and plug-ins use what can be imported from here, and modules below may move.
``__init__.pyi`` beside this file is its one list; names are resolved when they are first used, so that ``import
medbench`` stays light.
"""

from __future__ import annotations

from typing import Any

import lazy_loader

_resolve, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("medbench")
    return _resolve(name)
