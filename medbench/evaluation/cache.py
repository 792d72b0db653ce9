"""A content-addressed cache: what was computed once from the same bytes under the same settings is read back.

Entries are files that appear whole or not at all, so several processes may share the cache. Each has a seal (see
``medbench.storage.seals``) with all of its key: an entry that is damaged, or another's, is computed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medbench.evaluation.memory import Memory
from medbench.imaging.volume import LabelMap
from medbench.progress import Progress, silent
from medbench.spec import canonical_json, fingerprint
from medbench.storage.files import write_json
from medbench.storage.seals import is_sound, sealed_path, sealed_sha256
from medbench.storage.uses import touch

SEGMENTATIONS = "segmentations"


@dataclass(frozen=True)
class Entry:
    """Where an entry lies, and its key: kind, content and settings in full, of which the path has the beginnings."""

    path: Path
    key: str


@dataclass(frozen=True)
class Cache:
    """Features, segmentations and facts on disk.

    Args:
        root: the folder that holds the entries; made on first use.
        progress: told about entries that are damaged or another's.
        shared: a folder of entries that is only read: those that ``root`` lacks are taken from there.
        used: the entries that were asked for.
    """

    root: Path
    progress: Progress = silent
    shared: Path | None = None
    _memory: Memory = field(default_factory=Memory, init=False, repr=False, compare=False)
    used: set[Path] = field(default_factory=set, compare=False)

    def entry(self, kind: str, sha256: str, settings: Mapping[str, Any], suffix: str) -> Entry:
        """Return the entry for a content (hash) under settings."""
        place = Path(kind) / sha256[:2] / f"{sha256[:24]}-{fingerprint(settings)}{suffix}"
        path, key = self.root / place, f"{kind} {sha256} {canonical_json(settings)}"
        if self.shared is not None and not path.exists() and sealed_sha256(self.shared / place, key) is not None:
            path = self.shared / place
        if path not in self.used:
            self.used.add(path)
            touch(path)
        return Entry(path, key)

    def has(self, entry: Entry, progress: Progress = silent) -> bool:
        """Say whether an entry would be read back; ``progress`` is told about one that is damaged."""
        return entry.key in self._memory or is_sound(entry.path, entry.key, progress)

    def arrays(
        self,
        kind: str,
        sha256: str,
        settings: Mapping[str, Any],
        compute: Callable[[], Mapping[str, np.ndarray]],
        *,
        only: Sequence[str] = (),
    ) -> dict[str, np.ndarray]:
        """Return named arrays (those of ``only``, else all), computing and keeping all where they are absent.

        Small ones stay in memory once they were read, and cannot be written to.
        """
        entry = self.entry(kind, sha256, settings, ".npz")
        if (known := self._memory.get(entry.key)) is not None:
            return {name: known[name] for name in only or known}
        if not is_sound(entry.path, entry.key, self.progress):
            arrays = compute()
            with sealed_path(entry.path, entry.key) as temporary:
                np.savez(temporary, allow_pickle=False, **arrays)
            return {name: arrays[name] for name in only or arrays}
        with np.load(entry.path, allow_pickle=False) as stored:
            found = {name: stored[name] for name in only or stored.files}
        if not only:
            self._memory.keep(entry.key, found)
        return found

    def document(self, kind: str, sha256: str, settings: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
        """Return a JSON document, computing and keeping it where it is absent."""
        entry = self.entry(kind, sha256, settings, ".json")
        if not is_sound(entry.path, entry.key, self.progress):
            document = compute()
            with sealed_path(entry.path, entry.key) as temporary:
                write_json(temporary, document)
            return document
        return json.loads(entry.path.read_bytes())

    def label_map(
        self, sha256: str, settings: Mapping[str, Any], names: Mapping[int, str], compute: Callable[[], LabelMap]
    ) -> LabelMap:
        """Return a label map, computing and keeping it where it is absent."""
        entry = self.entry(SEGMENTATIONS, sha256, settings, ".nii.gz")
        if not is_sound(entry.path, entry.key, self.progress):
            label_map = compute()
            with sealed_path(entry.path, entry.key) as temporary:
                label_map.write(temporary)
        # Read even when it was just computed: a file rounds the affine, and every run must see the same spacing.
        return LabelMap.read(entry.path, names)
