"""A volume while it is looked at: what is read of it, and how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medbench.errors import Unavailable
from medbench.imaging.volume import LabelMap, Volume
from medbench.records.samples import StoredVolume
from medbench.spec import Grid


def test_masks_on_another_grid_follow_their_volume(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    lab = instruments(tmp_path, grid=Grid(shape=(12, 12, 8), fit="resize"))
    assert lab.open(item).mask().shape == lab.open(item).volume().shape == (12, 12, 8)


def test_a_missing_mask_is_named_with_its_mend(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    with pytest.raises(Unavailable, match=r"volume\.nii\.gz has no mask: give --masks"):
        instruments(tmp_path).open(replace(item, mask=None)).mask()


def test_a_condition_is_no_segmentation_and_the_mend_says_who_makes_one(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    made = replace(item, mask=None, condition=item.mask, condition_regions=item.regions)
    with pytest.raises(Unavailable, match=r"volume\.nii\.gz has the label map that it was made from.*--segmenter"):
        instruments(tmp_path, segmenter="precomputed").open(made).segmentation()


@pytest.mark.parametrize("grid", [None, Grid(shape=(12, 12, 8), fit="resize")])
def test_volume_and_mask_are_read_once_whoever_asks(
    item: StoredVolume, grid: Grid | None, tmp_path: Path, instruments: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    opened = instruments(tmp_path, segmenter="precomputed", grid=grid).open(item)
    stored = opened.stored()
    assert stored.content_hash() == Volume.read(item.path).content_hash()

    def refused(path: Path, *rest: object) -> Any:
        raise AssertionError(f"{path} is read again")

    monkeypatch.setattr(Volume, "read", refused)
    volume, mask = opened.inputs(["volume", "mask"])
    monkeypatch.setattr(LabelMap, "read", refused)
    assert opened.inputs(["segmentation", "volume"]) == [mask, volume]
    assert volume.shape == mask.shape == (stored.shape if grid is None else grid.shape)
