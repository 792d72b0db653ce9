"""A side of a comparison: its masks, its content, its regions."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from medbench.datasets.phantom.dataset import generate
from medbench.evaluation.side import StoredSide
from medbench.imaging.volume import LabelMap
from medbench.records.samples import StoredVolume

SHAPE = (16, 16, 8)


def test_the_condition_is_the_mask_of_a_sample(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    _, other = generate(1, SHAPE)
    other.write(tmp_path / "condition.nii.gz")
    made = replace(item, condition=tmp_path / "condition.nii.gz", condition_regions=item.regions)
    lab = instruments(tmp_path, segmenter="precomputed")
    assert lab.open(made).mask().content_hash() == other.content_hash()
    assert lab.open(made).segmentation().content_hash() == LabelMap.read(item.mask).content_hash()
    assert not StoredSide([made], lab, "real").masks_stand_for_segmenter
    assert StoredSide([item], lab, "real").masks_stand_for_segmenter
    assert not StoredSide([item], instruments(tmp_path, segmenter="phantom"), "real").masks_stand_for_segmenter


def test_without_any_masks_none_stand_for_the_segmenter(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    lab = instruments(tmp_path, segmenter="precomputed")
    assert not StoredSide([replace(item, mask=None)], lab, "real").masks_stand_for_segmenter


def test_a_side_knows_its_content(item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]) -> None:
    lab = instruments(tmp_path)
    content = StoredSide([item], lab, name="a").content
    assert StoredSide([replace(item, id="b")], lab, name="b").content == content
    assert StoredSide([replace(item, mask=None)], lab, name="a").content != content


def test_regions_are_counted_once_and_named(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    lab = instruments(tmp_path, segmenter="precomputed", regions=("lung_left", "spine", "unknown"))
    frame = StoredSide([item], lab, name="real").region_voxels()
    assert list(frame.columns) == ["lung_left", "spine", "voxels", "voxel_ml"]
    _, label_map = generate(0, SHAPE)
    value = {name: value for value, name in label_map.names.items()}["lung_left"]
    assert frame["lung_left"].item() == np.sum(label_map.voxels == value)
    assert frame["voxels"].item() == np.prod(SHAPE)


def test_values_that_share_a_name_are_one_region(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    _, label_map = generate(0, SHAPE)
    lungs = [value for value, name in label_map.names.items() if name.startswith("lung_")]
    assert len(lungs) > 1
    named = replace(item, regions=dict.fromkeys(lungs, "lung"))
    frame = StoredSide([named], instruments(tmp_path, segmenter="precomputed"), name="real").region_voxels()
    assert frame["lung"].item() == np.isin(label_map.voxels, lungs).sum()
