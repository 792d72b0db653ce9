"""Label maps in MAISI's own numbers, and those as the bits that its ControlNet sees.

MAISI's vocabulary holds 132 structures and the body, which takes every voxel of the body that is none of them: without
its outline samples are poor. Names of the data sets are translated by word order (``kidney_left`` is MAISI's ``left
kidney``) and, where that does not do, by ``TRANSLATED``.

Source: ``configs/label_dict.json`` of Project-MONAI/tutorials, generation/maisi (Apache-2.0).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Final

import numpy as np
import torch

from medbench.errors import DataError
from medbench.imaging.volume import UNNAMED, LabelMap, Volume
from medbench.metrics.functional.radiomics import body_mask

BODY: Final = "body"
_SIDES: Final = ("left", "right")
_VERTEBRAE: Final = (("L", 5), ("T", 12), ("C", 7))


def _both(*structures: str) -> list[str]:
    return [f"{side} {one}" for one in structures for side in _SIDES]


def _numbered(first: int, names: list[str]) -> dict[str, int]:
    return dict(zip(names, itertools.count(first)))


# MAISI's number of each structure; what is called dummy there (2, 16, 18, 20, 21, 129, 130, 131) was never trained.
VOCABULARY: Final[Mapping[str, int]] = {
    "liver": 1, "spleen": 3, "pancreas": 4, "right kidney": 5, "aorta": 6, "inferior vena cava": 7,
    "right adrenal gland": 8, "left adrenal gland": 9, "gallbladder": 10, "esophagus": 11, "stomach": 12,
    "duodenum": 13, "left kidney": 14, "bladder": 15, "portal vein and splenic vein": 17, "small bowel": 19,
    "brain": 22, "lung tumor": 23, "pancreatic tumor": 24, "hepatic vessel": 25, "hepatic tumor": 26,
    "colon cancer primaries": 27, "left lung upper lobe": 28, "left lung lower lobe": 29, "right lung upper lobe": 30,
    "right lung middle lobe": 31, "right lung lower lobe": 32,
    **_numbered(33, [f"vertebrae {part}{n}" for part, most in _VERTEBRAE for n in range(most, 0, -1)]),
    "trachea": 57, **_numbered(58, _both("iliac artery", "iliac vena")), "colon": 62,
    **_numbered(63, [f"{side} rib {n}" for side in _SIDES for n in range(1, 13)]),
    **_numbered(87, _both("humerus", "scapula", "clavicula", "femur", "hip")), "sacrum": 97,
    **_numbered(98, _both("gluteus maximus", "gluteus medius", "gluteus minimus", "autochthon", "iliopsoas")),
    "left atrial appendage": 108, "brachiocephalic trunk": 109,
    **_numbered(110, _both("brachiocephalic vein", "common carotid artery")), "costal cartilages": 114, "heart": 115,
    **_numbered(116, _both("kidney cyst")), "prostate": 118, "pulmonary vein": 119, "skull": 120, "spinal cord": 121,
    "sternum": 122, **_numbered(123, _both("subclavian artery")), "superior vena cava": 125, "thyroid gland": 126,
    "vertebrae S1": 127, "bone lesion": 128, "airway": 132, BODY: 200,
}  # fmt: skip

# Names that word order does not translate. Where a data set does not tell apart what MAISI does, one number stands for
# all; where MAISI has no label for a structure, it is part of the heart or of the body, as in MAISI's training data.
TRANSLATED: Final[Mapping[str, str]] = {
    "urinary_bladder": "bladder",
    "lung_left": "left lung upper lobe",
    "lung_right": "right lung upper lobe",
    "spine": "vertebrae T8",
    "ribs": "left rib 6",
    "aorta_ascending": "aorta",
    "aorta_descending": "aorta",
    "heart_myocardium": "heart",
    "heart_atrium_left": "heart",
    "heart_atrium_right": "heart",
    "heart_ventricle_left": "heart",
    "heart_ventricle_right": "heart",
    "pulmonary_artery": BODY,
}


def number_of(name: str) -> int | None:
    """Return MAISI's number of a region by its name in a data set; None where there is no translation.

    >>> number_of("rib_left_3"), number_of("lung_lower_lobe_right"), number_of("heart_ventricle_left")
    (65, 32, 115)
    """
    if name in TRANSLATED:
        return VOCABULARY[TRANSLATED[name]]
    words = name.split("_")
    sides = [word for word in words if word in _SIDES]
    return VOCABULARY.get(" ".join([*sides, *(word for word in words if word not in _SIDES)]))


def maisi_numbers(label_map: LabelMap) -> np.ndarray:
    """Return a label map (x, y, z) uint8 in MAISI's numbers.

    Args:
        label_map: with names, the body's among them.

    Raises:
        DataError: labels without a translation occur, or the body has none.
    """
    present = np.flatnonzero(np.bincount(label_map.voxels.reshape(-1), minlength=256))
    named = {value: label_map.names.get(value, f"{UNNAMED}{value}") for value in present[present > 0].tolist()}
    found = {value: number_of(name) for value, name in named.items()}
    if unknown := [f"{value} ({named[value]})" for value, number in found.items() if number is None]:
        raise DataError(
            f"a label map has labels that MAISI has no translation of: {', '.join(unknown)}; leave them out, or name "
            "them as TotalSegmentator or MAISI do"
        )
    if BODY not in label_map.names.values():
        raise DataError(
            "a label map has no label 'body', whose outline MAISI's ControlNet needs: add it, for example by "
            "medbench_models.maisi.labels.with_body(label_map, volume)"
        )
    table = np.zeros(256, dtype=np.uint8)
    for value, number in found.items():
        table[value] = number
    numbers: np.ndarray = table[label_map.voxels]
    return numbers


def with_body(label_map: LabelMap, volume: Volume) -> LabelMap:
    """Return a label map with the label ``body`` wherever its volume shows a body and the map nothing, if it has none.

    The body is the largest part above -500 HU, its holes filled in each axial slice.

    Raises:
        DataError: all 255 labels are taken.
    """
    if BODY in label_map.names.values():
        return label_map
    taken = {0, *label_map.names, *np.unique(label_map.voxels).tolist()}
    free = next((value for value in range(1, 256) if value not in taken), None)
    if free is None:
        raise DataError("a label map has no number left for the body: merge some of its 255 labels")
    voxels = label_map.voxels.copy()
    voxels[body_mask(volume.voxels) & (voxels == 0)] = free
    return LabelMap(voxels, label_map.affine, {**label_map.names, free: BODY})


def bits_of(numbers: torch.Tensor) -> torch.Tensor:
    """Return the bits (n, 8, x, y, z) float32 of label numbers (n, x, y, z) uint8, the lowest first.

    >>> bits_of(torch.full((1, 1, 1, 1), 200, dtype=torch.uint8)).flatten().tolist()
    [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0]
    """
    places = torch.arange(8, dtype=torch.uint8, device=numbers.device).view(1, -1, 1, 1, 1)
    return (numbers[:, None] >> places & 1).float()  # in bytes: in whole numbers it takes eight times the memory
