"""Real cases on disk, once for all processes."""

from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.engines.engine import Engine
from medbench.imaging.volume import Volume
from medbench.pipeline.prepare import RealSplits, prepare
from medbench.progress import silent
from medbench.storage.files import sha256_of


class TwoPhantoms(PhantomDataset):
    """Two cases a split."""

    def __init__(self) -> None:
        super().__init__(None, shape=(16, 16, 8))

    def cases(self, split):
        return super().cases(split)[:2]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
    return tmp_path


def _prepare() -> RealSplits:
    return prepare(
        TwoPhantoms(),
        identity={"name": "two"},
        grid=None,
        reference_count=None,
        engine=Engine(workers=1),
        progress=silent,
    )


def test_two_processes_may_prepare_the_same_cases(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, others = Volume.write, []

    def write_and_let_another_process_prepare_all(volume: Volume, path: Path) -> None:
        write(volume, path)
        monkeypatch.setattr(Volume, "write", write)
        others.append(_prepare())

    monkeypatch.setattr(Volume, "write", write_and_let_another_process_prepare_all)
    found = _prepare()
    assert others == [found]
    for item in (*found.reference, *found.held_out):
        assert sha256_of(item.path) == item.sha256
    assert {path.name[:2] for path in home.rglob("*.nii.gz")} == {"te", "tr"}  # nothing staged is left


def test_masks_and_names_come_with_the_volumes() -> None:
    item = _prepare().held_out[0]
    assert item.mask is not None and item.regions is not None
    assert "spine" in item.regions.values()
    assert np.ptp(Volume.read(item.path).voxels) > 500


@pytest.mark.parametrize("which", ["test/*.nii.gz", "test-labels/*.nii.gz", "test-labels/*.json", "test/*.seal"])
@pytest.mark.parametrize("damage", ["cut", "another's"])
def test_a_damaged_or_misplaced_file_is_prepared_again(home: Path, which: str, damage: str) -> None:
    before = _prepare()
    contents = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    first, second = sorted(home.glob(f"prepared/*/{which}"))[:2]
    first.write_bytes(contents[first][:-2] if damage == "cut" else contents[second] + b" ")
    assert _prepare() == before
    # A seal that is made again does not know what came before.
    assert {path: path.read_bytes() for path in contents if path.suffix != ".seal"} == {
        path: content for path, content in contents.items() if path.suffix != ".seal"
    }


def test_what_a_shared_home_holds_is_not_prepared_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = _prepare()
    monkeypatch.setenv("MEDBENCH_SHARED", str(home))
    monkeypatch.setenv("MEDBENCH_HOME", str(home / "own"))
    assert _prepare() == shared
    assert not (home / "own").exists()
    shared.held_out[0].path.write_bytes(b"damaged")
    found = _prepare()
    assert found.held_out[0].path.is_relative_to(home / "own")
    assert [item.path for item in found.reference] == [item.path for item in shared.reference]
