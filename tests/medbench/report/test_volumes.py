from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume
from medbench.records.gallery import Gallery, stored
from medbench.records.run import RunFolder
from medbench.records.samples import StoredVolume
from medbench.report.volumes import Look, look
from medbench.storage.files import sha256_of

SHAPE = (32, 32, 16)  # of the gallery's volumes
PLENTY = 20_000_000


@pytest.fixture
def run(gallery_run: Path) -> RunFolder:
    return RunFolder(gallery_run)


def looked(run: RunFolder, most_bytes: int = PLENTY) -> Look:
    return look(run, run.read(), most_bytes=most_bytes)


def test_every_pair_is_there_and_no_volume_twice(run: RunFolder) -> None:
    found = looked(run)
    assert [(row["first"], row["beside"]) for row in found.rows] == [
        ("000000", "case-0"), ("000001", "case-1"), ("000002", "case-2"), ("case-0", "case-0, reconstructed"),
    ]  # fmt: skip
    assert len(found.blocks) == 7
    assert found.rows[0]["shape"] == SHAPE
    assert found.rows[0]["full_shape"] is None
    assert found.absent == []


def test_few_bytes_mean_coarser_volumes_then_fewer_pairs_and_both_are_said(run: RunFolder) -> None:
    most = 60_000
    found = looked(run, most)
    assert found.characters < most + 2000  # the grids' own few characters
    assert len(found.rows) >= 2
    assert found.rows[0]["full_shape"] == SHAPE
    assert np.prod(found.rows[0]["shape"]) < np.prod(SHAPE)
    if len(found.rows) < 4:
        assert "would grow too large" in found.absent[-1]


def test_noise_that_no_reckoning_foresaw_still_keeps_to_the_bound(run: RunFolder) -> None:
    rng = np.random.default_rng(0)
    gallery = Gallery.read(run.path)
    pairs = []
    for index, pair in enumerate(gallery.pairs[:2]):
        path = run.path / "samples" / f"noise-{index}.nii.gz"
        Volume(rng.integers(-30000, 30000, SHAPE).astype(np.int16)).write(path)
        item = StoredVolume(f"noise-{index}", "x", path, sha256_of(path))
        pairs.append(pair.model_copy(update={"first": stored(item, run.path, "sample", labels="none"), "beside": None}))
    Gallery(pairs=tuple(pairs)).save(run.path)
    found = looked(run, 50_000)
    assert len(found.rows) == 2
    assert found.characters < 52_000


@pytest.mark.parametrize("most", [-5, 0, 100])
def test_without_room_nothing_is_shown_and_that_is_said(run: RunFolder, most: int) -> None:
    found = looked(run, most)
    assert found.rows == []
    assert "leave no room" in found.absent[-1]


def test_a_real_volume_that_is_gone_leaves_the_sample_alone_and_says_so(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "real" / "case-1.nii.gz").unlink()
    found = looked(run)
    assert [row["beside"] for row in found.rows[:3]] == ["case-0", None, "case-2"]
    assert "case-1, which is no longer there" in found.rows[1]["relation"]
    assert any("case-1 is no longer at" in reason for reason in found.absent)


def test_another_volume_never_passes_for_a_sample(run: RunFolder) -> None:
    generate(99, SHAPE)[0].write(run.path / "samples" / "000000.nii.gz")
    found = looked(run)
    assert [row["first"] for row in found.rows] == ["000001", "000002", "case-0"]
    assert any("000000" in reason and "has changed" in reason for reason in found.absent)


def test_regions_that_have_changed_are_not_drawn_and_that_is_said(run: RunFolder) -> None:
    generate(99, SHAPE)[1].write(run.gallery / "0-labels.nii.gz")
    found = looked(run)
    assert "has changed" in found.rows[0]["labels"][1]
    assert found.rows[1]["labels"][1] == "as given"


def test_names_cannot_leave_their_block(run: RunFolder) -> None:
    assert "<b>lung" not in looked(run).html
    assert "\\u003cb>lung" in looked(run).html


def test_a_run_of_an_earlier_version_shows_its_samples_alone(run: RunFolder) -> None:
    (run.gallery / "gallery.json").unlink()
    found = looked(run)
    assert [row["first"] for row in found.rows] == ["000000", "000001", "000002"]
    assert {row["beside"] for row in found.rows} == {None}
    assert "earlier version" in found.rows[0]["relation"]


def test_without_any_volume_the_reason_is_told(make_run: Callable[..., Path]) -> None:
    run = RunFolder(make_run("bare"))
    found = looked(run)
    assert found.rows == []
    assert "evaluate it again" in found.absent[0]
