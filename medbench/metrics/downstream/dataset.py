"""Volumes with labels, from the sides of a comparison into the folders that nnU-Net reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, Literal

import numpy as np

from medbench.errors import GeometryError, Unavailable
from medbench.imaging.volume import LabelMap, Volume
from medbench.metrics.evidence import Side
from medbench.spec import fingerprint
from medbench.storage.files import make_folder, write_json

DATASET: Final = "Dataset001_Downstream"
FILE_ENDING: Final = ".nii.gz"
_MOST_REGIONS: Final = 255

Case = tuple[Volume, LabelMap]
LabelSource = Literal["mask", "segmentation"]


@dataclass(frozen=True, eq=False)
class Labelled:
    """The first volumes of a side, with labels from one source.

    Args:
        side: where they come from.
        count: how many; the first ones in the side's order.
        source: ``mask``, the label maps that belong to the volumes, or ``segmentation``, what the segmenter sees.
        regions: names in any of the label maps, in order of appearance.
        volumes: a hash of each volume.
        labels: a hash of each label map and its names.
    """

    side: Side
    count: int
    source: LabelSource
    regions: tuple[str, ...]
    volumes: tuple[str, ...]
    labels: tuple[str, ...]

    def cases(self) -> Iterator[Case]:
        """Yield volume and label map, one pair in memory at a time."""
        labels = self.side.masks() if self.source == "mask" else self.side.segmentations()
        return islice(zip(self.side.volumes(), labels), self.count)

    def images(self) -> Iterator[Volume]:
        """Yield the volumes alone."""
        return islice(self.side.volumes(), self.count)


def labelled(side: Side, count: int, *, sources: Sequence[LabelSource]) -> Labelled:
    """Return the first volumes of a side with labels from the first source that has one for each of them.

    Args:
        side: real, synthetic or held-out.
        count: how many volumes.
        sources: in order of preference.

    Raises:
        Unavailable: no source has labels; the reason is the last one's.
    """
    source, *others = sources
    try:
        found = side.derived("labelled", _describe, of=("volume", source), settings={"version": 1})
        rows = list(islice(found, count))
    except Unavailable:
        if not others:
            raise
        return labelled(side, count, sources=others)
    regions = dict.fromkeys(name for row in rows for name in row["regions"].tolist())
    volumes, labels = (tuple(str(row[what]) for row in rows) for what in ("volume", "labels"))
    return Labelled(side, count, source, tuple(regions), volumes, labels)


def _describe(volume: Volume, label_map: LabelMap) -> dict[str, np.ndarray]:
    """Return what tells a labelled volume from others, and the regions that its label map can name."""
    if volume.shape != label_map.shape:
        raise GeometryError(f"a label map of shape {label_map.shape} lies beside a volume of shape {volume.shape}")
    names = sorted(label_map.names.items())
    return {
        "volume": np.array(volume.content_hash()),
        "labels": np.array(fingerprint([label_map.content_hash(), names])),
        "regions": np.array([name for _, name in names], dtype=np.str_),
    }


def remapped(label_map: LabelMap, regions: Sequence[str], *, affine: np.ndarray) -> LabelMap:
    """Return a label map whose values are 1, 2, ... in the order of the regions' names; the rest is background.

    Args:
        label_map: with names for its values.
        regions: at most 255 names; one that the label map does not name is left empty.
        affine: (4, 4) of the volume: nnU-Net wants both headers equal.
    """
    table = np.zeros(256, np.uint8)
    place = {region: index + 1 for index, region in enumerate(regions)}
    for value, name in label_map.names.items():
        table[value] = place.get(name, 0)
    return LabelMap(table[label_map.voxels], affine, {index: region for region, index in place.items()})


def write_dataset(folder: Path, cases: Iterable[Case], regions: Sequence[str]) -> None:
    """Write a training set as nnU-Net v2 wants it.

    Args:
        folder: ``Dataset001_...``.
        cases: volumes (HU as they are) and label maps on the same grids.
        regions: names, which become the labels 1, 2, ...

    Raises:
        Unavailable: more regions than labels.
        StorageError: the disk is full.
    """
    if len(regions) > _MOST_REGIONS:
        raise Unavailable(f"nnU-Net is given {_MOST_REGIONS} regions at most, there are {len(regions)}: name fewer")
    make_folder(folder / "imagesTr")
    make_folder(folder / "labelsTr")
    count = 0
    for count, (volume, label_map) in enumerate(cases, start=1):
        volume.write(folder / "imagesTr" / image_name(count))
        remapped(label_map, regions, affine=volume.affine).write(folder / "labelsTr" / label_name(count))
    description = {
        "channel_names": {"0": "CT"},
        "labels": {"background": 0} | {region: index for index, region in enumerate(regions, start=1)},
        "numTraining": count,
        "file_ending": FILE_ENDING,
    }
    write_json(folder / "dataset.json", description)


def image_name(number: int) -> str:
    """Return the file name of a case's image; 0000 is its only channel."""
    return f"case{number:05}_0000{FILE_ENDING}"


def label_name(number: int) -> str:
    """Return the file name of a case's labels, drawn or predicted."""
    return f"case{number:05}{FILE_ENDING}"
