"""Volumes below a folder by their ids, the masks that belong to them, and what else lies there."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Collection as Ids
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from medbench.errors import DataError
from medbench.imaging.findings import Finding
from medbench.imaging.formats import survey
from medbench.imaging.formats.suffixes import suffix_of
from medbench.storage.names import shown

CONDITIONS: Final = "conditions"
MASK_FOLDERS: Final = ("labels", "masks", CONDITIONS)  # inside a folder of volumes: label maps, never volumes
REGION_NAMES: Final = "labels.json"
_CHANNEL: Final = "_0000"  # nnU-Net's images bear their channel's number, their labels do not
_SEGMENTATION: Final = ".seg"  # 3D Slicer writes NAME.seg.nrrd
_LARGEST_LABEL: Final = 255


@dataclass(frozen=True)
class Collection:
    """What lies below a folder.

    Args:
        volumes: by id, the path relative to the folder without the format's suffix; in natural order.
        label_maps: in folders of masks below it, which are no volumes.
        passed_over: why every other file is none.
    """

    volumes: Mapping[str, Path]
    label_maps: tuple[Path, ...]
    passed_over: Mapping[Path, Finding]


def collect(folder: Path, *, masks: Path | None = None) -> Collection:
    """Return the volumes below a folder by id, and what is no volume.

    What lies in ``folder/labels``, ``folder/masks`` or the folder given as ``masks`` is no volume.

    Args:
        folder: searched recursively; natural order is kept.
        masks: folder of label maps, inside or outside.

    Raises:
        DataError: no volume, or two files of one id; see ``medbench.imaging.formats.survey``.
    """
    elsewhere = [(folder / name).resolve() for name in MASK_FOLDERS]
    if masks is not None and not folder.resolve().is_relative_to(masks.resolve()):
        elsewhere.append(masks.resolve())
    surveyed = survey(folder)
    surveyed.require()
    found: dict[str, Path] = {}
    label_maps: list[Path] = []
    for path in surveyed.volumes:
        place = (path if path.is_dir() else path.parent).resolve()
        if any(place.is_relative_to(other) for other in elsewhere):
            label_maps.append(path)
            continue
        name = volume_stem(path.relative_to(folder)) if path != folder else path.resolve().name
        if name in found:
            raise DataError(f"{found[name]} and {path} are both volume '{name}': keep one of them")
        found[name] = path
    if not found:
        raise DataError(f"{folder} holds masks but no volume: put the volumes beside the folder of masks")
    return Collection(found, tuple(label_maps), surveyed.passed_over)


def volumes_by_id(folder: Path, *, masks: Path | None = None) -> dict[str, Path]:
    """Return the volumes below a folder by id; see ``collect``."""
    return dict(collect(folder, masks=masks).volumes)


def volume_stem(relative: Path) -> str:
    """Return a relative path without its volume suffix, with forward slashes on every system."""
    text = relative.as_posix()
    suffix = suffix_of(relative) or (".dcm" if text.lower().endswith(".dcm") else "")
    return text[: len(text) - len(suffix)]


def match_masks(volumes: Ids[str], masks: Mapping[str, Path]) -> dict[str, Path]:
    """Return the mask of each volume that has one.

    A mask bears its volume's name; nnU-Net's image ``case_0000`` has the mask ``case``, and 3D Slicer's masks end in
    ``.seg``. How an accent is composed does not count.

    Args:
        volumes: their ids.
        masks: by their own ids.

    Raises:
        DataError: two masks of one name.

    Example:
        >>> match_masks(["a", "b_0000", "c"], {"a": Path("a.nii"), "b": Path("b.nii"), "z": Path("z.nii")})
        {'a': PosixPath('a.nii'), 'b_0000': PosixPath('b.nii')}
    """
    by_name: dict[str, Path] = {}
    for name, path in masks.items():
        key = composed(name).removesuffix(_SEGMENTATION)
        if key in by_name:
            raise DataError(f"{by_name[key]} and {path} are both the mask of '{key}': keep one of them")
        by_name[key] = path
    found = {}
    for volume in volumes:
        name = composed(volume)
        mask = by_name.get(name) or by_name.get(name.removesuffix(_CHANNEL))
        if mask is not None:
            found[volume] = mask
    return found


def unmatched(masks: Mapping[str, Path], matched: Mapping[str, Path]) -> list[Finding]:
    """Return a finding for each mask that belongs to no volume."""
    used = set(matched.values())
    detail = "a label map that bears the name of no volume is not used"
    return [Finding("warning", shown(path), "mask", detail) for path in masks.values() if path not in used]


def composed(name: str) -> str:
    """Return a name with its accents composed (NFC): systems store the same name in two ways."""
    return unicodedata.normalize("NFC", name)


def region_names(masks: Path) -> dict[int, str] | None:
    """Return the names of label values in ``labels.json`` beside the masks (value -> name), or None.

    The background, 0, is no region, whether it is named or not.

    Raises:
        DataError: the file is damaged, or names a value that no label map can hold.
    """
    path = masks / REGION_NAMES
    if not path.is_file():
        return None
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        names = {int(value): str(name) for value, name in document.items()}
    except (ValueError, AttributeError, RecursionError, OSError) as error:
        raise DataError(f'{path} must map label values to names, like {{"1": "lung_left"}}') from error
    if wrong := [value for value in names if not 0 <= value <= _LARGEST_LABEL]:
        raise DataError(f"{path} names the value {wrong[0]}: labels are integers from 1 to {_LARGEST_LABEL}")
    return {value: name for value, name in names.items() if value}
