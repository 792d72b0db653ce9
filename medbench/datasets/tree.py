"""Volumes and masks of a folder tree by id, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from medbench.errors import DataError
from medbench.imaging.volume import Volume
from medbench.records.samples import content_once, volumes_by_id
from medbench.spec import Window, fingerprint


def masks_by_id(masks: Path | None, volumes: Mapping[str, Path]) -> dict[str, Path]:
    """Return the masks that bear the name of a volume, by the volume's id; empty where there is no folder of masks.

    Raises:
        DataError: there are masks, and none bears the name of a volume.
    """
    if masks is None:
        return {}
    found = {name: path for name, path in volumes_by_id(masks).items() if name in volumes}
    if not found:
        example = next(iter(volumes))
        raise DataError(f"{masks}: no mask bears the name of a volume: call the mask of '{example}' {example}.nii.gz")
    return found


def read_clipped(path: Path, window: Window) -> Volume:
    """Read a volume and clip it to a window, so that padding (below -1024 HU) becomes air and metal ends at ``high``.

    Raises:
        DataError: see ``Volume.read``.
    """
    volume = Volume.read(path)
    return Volume(volume.voxels.clip(round(window.low), round(window.high)), volume.affine)


def content(paths: Mapping[str, Path]) -> str:
    """Return a fingerprint of what files hold under which ids; a file is read once a process unless it changes."""
    return fingerprint({name: content_once(path) for name, path in paths.items()})
