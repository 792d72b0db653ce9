"""Small cache entries stay in memory once they were read: floors ask for the same ones twenty times."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

MOST_BYTES = 2**28
LARGEST_BYTES = 2**17


class Memory:
    """Arrays by key, of at most 128 KiB an entry and 256 MiB in all; what comes when it is full is not kept."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, np.ndarray]] = {}
        self._left = MOST_BYTES

    def __contains__(self, key: str) -> bool:
        return key in self._kept

    def get(self, key: str) -> dict[str, np.ndarray] | None:
        """Return an entry, which nobody can write to; None where it is not kept."""
        found = self._kept.get(key)
        return None if found is None else dict(found)

    def keep(self, key: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep an entry if it is small and there is room."""
        size = sum(one.nbytes for one in arrays.values())
        if size > min(LARGEST_BYTES, self._left):
            return
        self._left -= size
        self._kept[key] = {name: _locked(one) for name, one in arrays.items()}


def _locked(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view
