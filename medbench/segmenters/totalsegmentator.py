"""TotalSegmentator: organs with the free task ``total``, the chambers of the heart with a licensed one.

Labels keep TotalSegmentator's numbers. Regions carry medbench's names, which the phantom uses too; the parts of one
such region are merged under the number of its first part: lung lobes, vertebrae (without the sacrum) and ribs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from medbench.errors import GeometryError
from medbench.imaging.volume import LabelMap, Volume
from medbench.segmenters.base import SegmenterInfo
from medbench.segmenters.total_models import (
    HEART_CHAMBERS,
    TOTAL,
    Task,
    installed_version,
    locate_models,
    models_sha256,
    require_licence,
    require_plain_models,
)
from medbench.segmenters.total_process import device_word, process_for

# Assumed, not measured: models, the volume at 1.5 mm, and the scores of 25 classes there while they are resampled.
_PROCESS_BYTES = 8 * 2**30

_MERGED = {
    "lung_left": r"lung_\w+_lobe_left",
    "lung_right": r"lung_\w+_lobe_right",
    "spine": r"vertebrae_\w+",
    "ribs": r"rib_(left|right)_\d+",
}


def _info(name: str, task: Task) -> SegmenterInfo:
    declared, terms = "", ""
    if task.licensed:
        declared = ", licence declared by the user"
        terms = "; weights free for non-commercial use under a licence that the user declares to hold"
    return SegmenterInfo(
        name=name,
        version=f"1, TotalSegmentator {installed_version()}, task {task.name}{declared}",
        stand_in=False,
        license=f"Apache-2.0{terms}",
        source="Wasserthal et al. 2023, 10.1148/ryai.230024; wasserth/TotalSegmentator",
        process_bytes=_PROCESS_BYTES,
    )


@dataclass(frozen=True, kw_only=True)
class TotalSegmentator:
    """Labels some 70 structures of the trunk, at 1.5 mm; the heart as a whole.

    Args:
        device: torch device.
    """

    device: str

    task: ClassVar[Task] = TOTAL
    info: ClassVar[SegmenterInfo] = _info("totalsegmentator", TOTAL)

    def names(self) -> Mapping[int, str]:
        """Return the region of each label."""
        return region_names(self.task)

    def weights_sha256(self) -> str:
        """Return the SHA-256 over all models of the task.

        Raises:
            Unavailable: a model is not here; the message holds the commands that fetch it.
        """
        return models_sha256(self.task)

    def segment(self, volume: Volume) -> LabelMap:
        """Return the label map of a volume, on its grid.

        Raises:
            Unavailable: a model is not here, or no licence number is configured where one is needed.
            GeometryError: TotalSegmentator gave back another grid.
            CheckpointError: a model holds something besides tensors and numbers.
            MedbenchError: TotalSegmentator failed.
        """
        require_plain_models(self.task)
        process = process_for(locate_models(self.task), require_licence(self.task))
        labels, affine = process.segment(volume, task=self.task.name, device=device_word(self.device))
        if labels.shape != volume.shape or not np.allclose(affine, volume.affine, rtol=0, atol=1e-4):
            raise GeometryError(
                f"TotalSegmentator gave back a grid of {labels.shape} for a volume of {volume.shape}, or another "
                "affine: another version of it is needed"
            )
        return LabelMap(_merged(self.task)[labels], volume.affine, self.names())


class TotalSegmentatorHeartChambers(TotalSegmentator):
    """Labels myocardium, atria, ventricles, aorta and pulmonary artery; the weights need a licence.

    Args:
        device: torch device.
    """

    task: ClassVar[Task] = HEART_CHAMBERS
    info: ClassVar[SegmenterInfo] = _info("totalsegmentator-heartchambers", HEART_CHAMBERS)


def region_names(task: Task) -> dict[int, str]:
    """Return medbench's region of each label that a task may set."""
    first: dict[str, int] = {}
    for value, structure in _structures(task).items():
        first.setdefault(_region_of(structure), value)
    return {value: region for region, value in first.items()}


def _merged(task: Task) -> np.ndarray:
    """Return a table (256,) from TotalSegmentator's labels to ours."""
    value_of = {region: value for value, region in region_names(task).items()}
    table = np.zeros(256, dtype=np.uint8)
    for value, structure in _structures(task).items():
        table[value] = value_of[_region_of(structure)]
    return table


def _region_of(structure: str) -> str:
    return next((region for region, parts in _MERGED.items() if re.fullmatch(parts, structure)), structure)


def _structures(task: Task) -> Mapping[int, str]:
    """Return what the installed TotalSegmentator calls each label."""
    from totalsegmentator.map_to_binary import class_map

    structures: Mapping[int, str] = class_map[task.name]
    return structures
