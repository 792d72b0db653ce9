"""A content-addressed cache: what was computed once from the same bytes under the same settings is read back.

Entries are files that appear whole or not at all, so several processes may share the cache.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medbench.imaging.volume import LabelMap
from medbench.spec import fingerprint
from medbench.storage.files import atomic_path, write_json

SEGMENTATIONS = "segmentations"


@dataclass(frozen=True)
class Cache:
    """Features, segmentations and facts on disk.

    Args:
        root: the folder that holds the entries; made on first use.
    """

    root: Path

    def path(self, kind: str, sha256: str, settings: Mapping[str, Any], suffix: str) -> Path:
        """Return where the entry for a content (hash) under settings lies."""
        return self.root / kind / sha256[:2] / f"{sha256[:24]}-{fingerprint(settings)}{suffix}"

    def arrays(
        self,
        kind: str,
        sha256: str,
        settings: Mapping[str, Any],
        compute: Callable[[], Mapping[str, np.ndarray]],
        *,
        only: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """Return named arrays (those of ``only``, else all), computing and keeping all where they are absent."""
        path = self.path(kind, sha256, settings, ".npz")
        if not path.is_file():
            arrays = compute()
            with atomic_path(path) as temporary:
                np.savez(temporary, allow_pickle=False, **arrays)
            return {name: arrays[name] for name in only or arrays}
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in only or stored.files}

    def document(self, kind: str, sha256: str, settings: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """Return a JSON document, computing and keeping it where it is absent."""
        path = self.path(kind, sha256, settings, ".json")
        if not path.is_file():
            document = compute()
            write_json(path, document)
            return document
        return json.loads(path.read_bytes())

    def label_map(
        self, sha256: str, settings: Mapping[str, Any], names: Mapping[int, str], compute: Callable[[], LabelMap]
    ) -> LabelMap:
        """Return a label map, computing and keeping it where it is absent."""
        path = self.path(SEGMENTATIONS, sha256, settings, ".nii.gz")
        if not path.is_file():
            compute().write(path)
        # Read even when it was just computed: a file rounds the affine, and every run must see the same spacing.
        return LabelMap.read(path, names)
