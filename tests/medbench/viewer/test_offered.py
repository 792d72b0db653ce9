from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import DataError
from medbench.imaging.volume import LabelMap
from medbench.records.gallery import Gallery, Kept, Pair, kept, stored
from medbench.records.run import RunFolder
from medbench.records.samples import StoredVolume
from medbench.storage.files import sha256_of
from medbench.viewer.offered import offered

SHAPE = (16, 16, 8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two volumes, the first with a mask, the second with one of another grid."""
    for index, name in enumerate(("a", "b")):
        volume, labels = generate(index, SHAPE)
        volume.write(tmp_path / "scans" / f"{name}.nii.gz")
        labels.write(tmp_path / "scans" / "masks" / f"{name}.nii.gz")
    LabelMap(np.zeros((8, 8, 8), np.uint8)).write(tmp_path / "scans" / "masks" / "b.nii.gz")
    (tmp_path / "scans" / "masks" / "labels.json").write_text('{"1": "lung"}')
    return tmp_path / "scans"


@pytest.fixture
def run(folder: Path, tmp_path: Path) -> Path:
    """A run with two samples; the gallery has the second one, beside a real volume, and one that is not as it was."""
    run = tmp_path / "run"
    for index in range(2):
        generate(10 + index, SHAPE)[0].write(run / "samples" / f"s{index}.nii.gz")
    (run / "run.json").write_text("{}")
    item = StoredVolume("s1", "s1", run / "samples" / "s1.nii.gz", sha256_of(run / "samples" / "s1.nii.gz"))
    labels = kept(generate(10, SHAPE)[1], run, "labels")
    first = stored(item, run, "sample", label_map=labels, labels="as given")
    real = StoredVolume("a", "a", folder / "a.nii.gz", sha256_of(folder / "a.nii.gz"))
    beside = stored(real, run, "real", labels="none")
    other = first.model_copy(update={"name": "s0", "volume": Kept(file="samples/s0.nii.gz", sha256="0")})
    pairs = (
        Pair(first=first, beside=beside, relation="nearest"),
        Pair(first=other, beside=beside, relation="nearest"),
    )
    Gallery(pairs=pairs).save(run)
    return run


def test_every_volume_of_a_folder_is_offered_with_its_mask(folder: Path) -> None:
    first, second = offered(folder)
    assert (first.name, second.name) == ("a", "b")
    assert first.regions_told() == {"regions": {"1": "lung"}}
    assert first.label_map().voxels.shape == SHAPE
    assert "not on the grid" in second.regions_told()["problem"]


def test_one_file_is_offered(folder: Path) -> None:
    (only,) = offered(folder / "a.nii.gz")
    assert only.slices().shape == SHAPE
    assert only.regions_told() == {}
    with pytest.raises(DataError, match="no label map"):
        only.label_map()


def test_a_run_offers_its_pairs_first_then_its_other_volumes(run: Path) -> None:
    found = offered(run)
    assert [(one.name, one.beside) for one in found] == [
        ("sample s1", "real a"), ("real a", None), ("sample s0", None),
    ]  # fmt: skip
    assert found[0].relation == "nearest"
    assert "regions" in found[0].regions_told()


@pytest.mark.parametrize(("name", "told"), [("nowhere", "does not exist"), ("empty", "no ")])
def test_what_holds_no_volume_is_refused(tmp_path: Path, name: str, told: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=told):
        offered(tmp_path / name)


def test_a_run_whose_volumes_are_elsewhere_says_so(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(DataError, match="lie elsewhere"):
        offered(RunFolder(tmp_path).path)
