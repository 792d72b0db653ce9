"""Samples belong together where each was made from a label map of its own, and two runs used the same ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medbench.evaluation.cache import Cache
from medbench.evaluation.pairing import resampled
from medbench.imaging.volume import LabelMap
from medbench.records.samples import StoredVolume
from medbench.statistics.resampling import Replicates

FOUR = Replicates(np.arange(4.0), np.ones(4))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def steered(tmp_path: Path) -> list[StoredVolume]:
    items = []
    for place in range(4):
        label_map = tmp_path / f"{place}.nii.gz"
        LabelMap(np.full((2, 3, 4), place, dtype=np.uint8)).write(label_map)
        items.append(StoredVolume(f"{place}", f"{place}", tmp_path / "x", f"sha{place}", condition=label_map))
    return items


def test_runs_of_the_same_label_maps_have_the_same_units(
    steered: list[StoredVolume], cache: Cache, tmp_path: Path
) -> None:
    found = resampled(FOUR, steered, cache)
    assert (found.values, found.sizes) == ((0.0, 1.0, 2.0, 3.0), (1, 1, 1, 1))
    copy = tmp_path / "copy.nii"  # packed in another way
    LabelMap.read(steered[0].condition).write(copy)
    again = [replace(steered[0], sha256="another sample", condition=copy), *steered[1:]]
    assert resampled(FOUR, again[::-1], cache).units == found.units is not None
    other = [replace(steered[0], condition=steered[1].condition), replace(steered[1], condition=copy), *steered[2:]]
    assert resampled(FOUR, other, cache).units not in (None, found.units), "other groups"


def test_there_are_none_where_a_label_map_is_shared_or_absent(steered: list[StoredVolume], cache: Cache) -> None:
    assert resampled(FOUR, (), cache).units is None
    assert resampled(FOUR, [replace(one, condition=None) for one in steered], cache).units is None
    assert resampled(FOUR, [*steered[:3], replace(steered[3], condition=None)], cache).units is None
    assert resampled(FOUR, [*steered[:3], replace(steered[3], condition=steered[0].condition)], cache).units is None
    assert resampled(FOUR, [*steered[:3], replace(steered[3], subject="0")], cache).units is None
    assert resampled(Replicates(np.arange(3.0), np.ones(3)), steered, cache).units is None
