from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.base import Case, Split
from medbench.errors import CheckpointError, DataError
from medbench.imaging.volume import Volume
from medbench.progress import silent
from medbench_models.shared.arrays import cache_volumes, require_divisible, spacings_beside

Make = Callable[[Split, int], list[Case]]


def test_cases_of_several_shapes_are_refused(tmp_path: Path, make_cases: Make) -> None:
    odd = Volume(np.zeros((8, 8, 8), np.int16), np.eye(4))
    cases = [*make_cases("train", 1), Case(id="odd", split="train", patient="odd", read_volume=lambda: odd)]
    with pytest.raises(DataError, match="case odd has the shape"):
        cache_volumes(cases, tmp_path / "volumes.npy", silent)
    assert not list(tmp_path.iterdir())


def test_what_is_kept_of_other_cases_is_not_used(tmp_path: Path, make_cases: Make) -> None:
    path = tmp_path / "volumes.npy"
    cache_volumes(make_cases("train", 2), path, silent, identity="one")
    before = path.stat().st_mtime_ns
    assert len(cache_volumes(make_cases("train", 2), path, silent, identity="one")) == 2
    assert path.stat().st_mtime_ns == before
    cache_volumes(make_cases("train", 2), path, silent, identity="two")
    assert path.stat().st_mtime_ns > before
    assert len(cache_volumes(make_cases("train", 3), path, silent, identity="two")) == 3


@pytest.mark.parametrize("name", ["volumes.npy", "volumes-spacings.npy"])
def test_damaged_arrays_are_made_again(tmp_path: Path, make_cases: Make, name: str) -> None:
    path, cases = tmp_path / "volumes.npy", make_cases("train", 2)
    before = cache_volumes(cases, path, silent).copy(), spacings_beside(path)
    content = bytearray((tmp_path / name).read_bytes())
    content[-8] ^= 1
    (tmp_path / name).write_bytes(content)
    after = cache_volumes(cases, path, silent), spacings_beside(path)
    assert all(np.array_equal(one, other) for one, other in zip(before, after))


def test_spacings_lie_beside_the_volumes(tmp_path: Path, make_cases: Make) -> None:
    path, wide = tmp_path / "volumes.npy", np.diag([7.0, 7.0, 9.0, 1.0])
    first = make_cases("train", 1)[0]
    second = Volume(first.read_volume().voxels, wide)
    cases = [first, Case(id="wide", split="train", patient="wide", read_volume=lambda: second)]
    cache_volumes(cases, path, silent)
    assert spacings_beside(path).tolist() == [[5.0, 5.0, 6.0], [7.0, 7.0, 9.0]]
    with pytest.raises(CheckpointError, match=r"other\.npy was left by another version, without spacings"):
        spacings_beside(tmp_path / "other.npy")


def test_a_shape_that_does_not_fit_is_told_the_nearest() -> None:
    require_divisible((64, 64, 32), 8)
    with pytest.raises(DataError, match="multiple of 16, and 64x16x32 is nearest"):
        require_divisible((70, 3, 33), 16)
