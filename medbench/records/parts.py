"""What the parts of a run that several commands share needed; who collects takes it into ``run.json``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from medbench.records.results import StageMemory
from medbench.storage.files import write_json

_PARTS: Final = ".parts"


def keep_memory(folder: Path, part: str, memory: StageMemory) -> None:
    """Note what sampling a part needed.

    Args:
        folder: of the run.
        part: its name.
        memory: of the process that sampled it.
    """
    write_json(folder / _PARTS / f"{part}.json", memory.model_dump(mode="json"))


def kept_memories(folder: Path) -> list[StageMemory]:
    """Return what was noted; a note that cannot be read is passed over."""
    found = []
    for file in sorted((folder / _PARTS).glob("[!.]*.json")):
        try:
            found.append(StageMemory.model_validate(json.loads(file.read_bytes())))
        except (OSError, ValueError, ValidationError):
            continue
    return found


def forget_parts(folder: Path) -> None:
    """Remove the notes."""
    shutil.rmtree(folder / _PARTS, ignore_errors=True)
