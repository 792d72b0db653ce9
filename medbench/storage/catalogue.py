"""The weight files that installed plug-ins declare: found by name, and listed with how to get those that are absent.

A generator, segmenter or feature network declares them as its class attribute ``weights`` (a ``WeightFile`` or
several of them), a metric by name as ``info.weights``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from medbench import registry
from medbench.errors import MedbenchError, Unavailable, UnknownPluginError
from medbench.storage.weights import WeightFile


def weight_files(*kinds: registry.Kind) -> dict[str, WeightFile]:
    """Return the weight files that plug-ins of some kinds declare, by name; of all kinds that may if none is given."""
    asked = kinds or ("features", "segmenters", "generators", "metrics")
    plugins = (registry.load(kind, name) for kind in asked for name in registry.names(kind))
    return {weights.name: weights for plugin in plugins for weights in _declared(plugin)}


def _declared(plugin: Any) -> Iterator[WeightFile]:
    weights = getattr(plugin, "weights", ())
    yield from (weights,) if isinstance(weights, WeightFile) else weights
    yield from getattr(plugin.info, "weights", {}).values()


def weight_file(name: str) -> WeightFile:
    """Return the weight file of that name; case does not matter.

    Raises:
        UnknownPluginError: there is none; the message holds the nearest names.
    """
    files = weight_files()
    if name.lower() in files:
        return files[name.lower()]
    near = difflib.get_close_matches(name.lower(), files, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownPluginError(f"no weights are called '{name}': {hint}'medbench weights list' shows all")


def weight_rows() -> list[dict[str, Any]]:
    """Return one row a weight file: name, here, path, sha256, licence, how.

    ``path`` is None where the file is absent or refused, ``sha256`` then the pinned one (None where none is
    published), and ``how`` says what is wrong and what to do; otherwise it says where the file comes from.
    """
    rows = []
    for weights in weight_files().values():
        row: dict[str, Any] = {"name": weights.name, "here": False, "path": None, "sha256": weights.pinned}
        try:
            row |= {"here": True, "path": str(weights.locate()), "sha256": weights.sha256()}
            how = f"from {weights.origin}"
        except Unavailable:
            how = weights.how_to_get()
        except MedbenchError as refused:
            how = str(refused)
        rows.append({**row, "licence": weights.license, "how": how})
    return rows
