"""What a instruments sees in a volume: computed once, keyed by everything that decides it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import SpecError, Unavailable
from medbench.evaluation.cache import Cache
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.side import StoredSide
from medbench.imaging.volume import LabelMap, Volume
from medbench.progress import silent
from medbench.records.samples import StoredVolume
from medbench.spec import Grid, Protocol
from medbench.storage.files import sha256_of

SHAPE = (16, 16, 8)


@pytest.fixture
def item(tmp_path: Path) -> StoredVolume:
    volume, label_map = generate(0, SHAPE)
    volume.write(tmp_path / "volume.nii.gz")
    label_map.write(tmp_path / "mask.nii.gz")
    path = tmp_path / "volume.nii.gz"
    return StoredVolume("v", "v", path, sha256_of(path), mask=tmp_path / "mask.nii.gz", regions=dict(label_map.names))


def instruments(folder: Path, **protocol: object) -> Instruments:
    return Instruments(
        Protocol(name="t", summary="t", **protocol),
        device="cpu",
        cache=Cache(folder / "cache"),
        progress=silent,
        log_folder=folder / "logs",
    )


class Counting:
    """A function of a volume's inputs that knows how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *inputs: Volume | LabelMap) -> Mapping[str, np.ndarray]:
        self.calls += 1
        return {"mean": np.array([one.voxels.mean() for one in inputs])}


def derive(lab: Instruments, item: StoredVolume, function: Counting, version: int = 1) -> np.ndarray:
    [found] = StoredSide([item], lab, name="real").derived(
        "means", function, of=("volume", "mask"), settings={"version": version}
    )
    return found["mean"]


def test_what_is_derived_is_computed_once(item: StoredVolume, tmp_path: Path) -> None:
    function, lab = Counting(), instruments(tmp_path)
    first = derive(lab, item, function)
    np.testing.assert_array_equal(derive(instruments(tmp_path), replace(item, id="other name"), function), first)
    assert function.calls == 1
    assert first[0] == pytest.approx(Volume.read(item.path).voxels.mean())


def test_settings_grid_and_the_masks_content_are_parts_of_the_key(item: StoredVolume, tmp_path: Path) -> None:
    function = Counting()
    derive(instruments(tmp_path), item, function)
    derive(instruments(tmp_path), item, function, version=2)
    derive(instruments(tmp_path, grid=Grid(shape=(8, 8, 8))), item, function)
    _, other = generate(1, SHAPE)
    other.write(tmp_path / "other.nii.gz")
    derive(instruments(tmp_path), replace(item, mask=tmp_path / "other.nii.gz"), function)
    assert function.calls == 4


def test_the_condition_is_the_mask_of_a_sample(item: StoredVolume, tmp_path: Path) -> None:
    _, other = generate(1, SHAPE)
    other.write(tmp_path / "condition.nii.gz")
    made = replace(item, condition=tmp_path / "condition.nii.gz", condition_regions=item.regions)
    lab = instruments(tmp_path, segmenter="precomputed")
    assert lab.mask(made).content_hash() == other.content_hash()
    assert lab.segmentation(made).content_hash() == LabelMap.read(item.mask).content_hash()
    assert not StoredSide([made], lab, "real").masks_stand_for_segmenter
    assert StoredSide([item], lab, "real").masks_stand_for_segmenter
    assert not StoredSide([item], instruments(tmp_path, segmenter="phantom"), "real").masks_stand_for_segmenter


def test_masks_on_another_grid_follow_their_volume(item: StoredVolume, tmp_path: Path) -> None:
    lab = instruments(tmp_path, grid=Grid(shape=(12, 12, 8), fit="resize"))
    assert lab.mask(item).shape == lab.read(item).shape == (12, 12, 8)


def test_a_missing_mask_is_named_with_its_mend(item: StoredVolume, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"volume\.nii\.gz has no mask: give --masks"):
        instruments(tmp_path).mask(replace(item, mask=None))


def test_without_any_masks_none_stand_for_the_segmenter(item: StoredVolume, tmp_path: Path) -> None:
    lab = instruments(tmp_path, segmenter="precomputed")
    assert not StoredSide([replace(item, mask=None)], lab, "real").masks_stand_for_segmenter


def test_a_condition_is_no_segmentation_and_the_mend_says_who_makes_one(item: StoredVolume, tmp_path: Path) -> None:
    made = replace(item, mask=None, condition=item.mask, condition_regions=item.regions)
    with pytest.raises(Unavailable, match=r"volume\.nii\.gz has the label map that it was made from.*--segmenter"):
        instruments(tmp_path, segmenter="precomputed").segmentation(made)


def test_a_side_knows_its_content(item: StoredVolume, tmp_path: Path) -> None:
    lab = instruments(tmp_path)
    content = StoredSide([item], lab, name="a").content
    assert StoredSide([replace(item, id="b")], lab, name="b").content == content
    assert StoredSide([replace(item, mask=None)], lab, name="a").content != content


def test_a_network_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="sees slices"):
        _ = instruments(tmp_path, volume_extractor="seeded-resnet").volume_extractor


def test_regions_are_counted_once_and_named(item: StoredVolume, tmp_path: Path) -> None:
    lab = instruments(tmp_path, segmenter="precomputed", regions=("lung_left", "spine", "unknown"))
    frame = StoredSide([item], lab, name="real").region_voxels()
    assert list(frame.columns) == ["lung_left", "spine", "voxels", "voxel_ml"]
    _, label_map = generate(0, SHAPE)
    value = {name: value for value, name in label_map.names.items()}["lung_left"]
    assert frame["lung_left"].item() == np.sum(label_map.voxels == value)
    assert frame["voxels"].item() == np.prod(SHAPE)


def test_values_that_share_a_name_are_one_region(item: StoredVolume, tmp_path: Path) -> None:
    _, label_map = generate(0, SHAPE)
    lungs = [value for value, name in label_map.names.items() if name.startswith("lung_")]
    assert len(lungs) > 1
    named = replace(item, regions=dict.fromkeys(lungs, "lung"))
    frame = StoredSide([named], instruments(tmp_path, segmenter="precomputed"), name="real").region_voxels()
    assert frame["lung"].item() == np.isin(label_map.voxels, lungs).sum()


class Noting:
    """Progress that remembers what it was told."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, int | None]] = []

    def track(self, items: Iterable[Any], *, task: str, total: int | None = None) -> Iterator[Any]:
        self.tasks.append((task, total))
        return iter(items)

    def note(self, message: str) -> None:
        del message


def test_only_what_is_computed_is_told_as_progress(item: StoredVolume, tmp_path: Path) -> None:
    lab = instruments(tmp_path)
    lab.progress = Noting()
    for _ in range(2):
        derive(lab, item, Counting())
    assert lab.progress.tasks == [("means of real", 1)]
