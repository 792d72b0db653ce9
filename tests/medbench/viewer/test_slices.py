"""Slices as a browser takes them: their layout, and a cache that reads each volume once and stays small."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from medbench.errors import DataError
from medbench.imaging.formats.nifti import write_nifti
from medbench.viewer.slices import AxialSlices, SliceCache

SHAPE = (5, 4, 3)
VOXELS = np.arange(60, dtype=np.int16).reshape(SHAPE) - 30


def test_slabs_are_little_endian_and_x_runs_fastest() -> None:
    slices = AxialSlices.of(VOXELS, np.diag([0.5, 0.75, 2.0, 1.0]))
    assert slices.shape == SHAPE
    assert slices.spacing_mm == (0.5, 0.75, 2.0)
    expected = [VOXELS[x, y, z] for z in (1, 2) for y in range(4) for x in range(5)]
    assert np.frombuffer(slices.slab(1, 2), "<i2").tolist() == expected


def test_a_file_on_other_axes_is_turned_to_ras(tmp_path: Path) -> None:
    write_nifti(tmp_path / "lps.nii.gz", VOXELS[::-1, ::-1], np.diag([-1.0, -1.0, 1.0, 1.0]))
    write_nifti(tmp_path / "ras.nii.gz", VOXELS, np.eye(4))
    for name in ("lps", "ras"):
        slab = AxialSlices.read(tmp_path / f"{name}.nii.gz").slab(0, 3)
        assert slab == VOXELS.T.astype("<i2").tobytes()


def test_fractions_of_hu_are_rounded() -> None:
    slices = AxialSlices.of(np.full(SHAPE, -999.6, np.float32), np.eye(4))
    assert set(np.frombuffer(slices.slab(0, 3), "<i2")) == {-1000}


@pytest.mark.parametrize(("first", "count"), [(-1, 1), (0, 0), (0, 4), (3, 1)])
def test_slices_that_do_not_exist_are_refused(first: int, count: int) -> None:
    with pytest.raises(IndexError):
        AxialSlices.of(VOXELS, np.eye(4)).slab(first, count)


def test_a_volume_that_many_want_at_once_is_read_once() -> None:
    reads, begun = [], threading.Event()

    def read(name: str) -> AxialSlices:
        reads.append(name)
        begun.wait(5)
        return AxialSlices.of(VOXELS, np.eye(4))

    cache = SliceCache(read)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(cache.get, "a") for _ in range(8)]
        begun.set()
        volumes = {id(one.result(5)) for one in waiting}
    assert reads == ["a"]
    assert len(volumes) == 1


def test_the_cache_lets_go_of_what_was_used_longest_ago() -> None:
    reads: list[str] = []

    def read(name: str) -> AxialSlices:
        reads.append(name)
        return AxialSlices.of(VOXELS, np.eye(4))

    cache = SliceCache(read, most_bytes=2 * VOXELS.nbytes)
    for name in "abacab":
        cache.get(name)
    assert "".join(reads) == "abcb"
    small = SliceCache(read, most_bytes=1)
    assert small.get("d") is small.get("d")


def test_a_volume_that_could_not_be_read_is_tried_again() -> None:
    answers = iter([DataError("damaged"), AxialSlices.of(VOXELS, np.eye(4))])

    def read(name: str) -> AxialSlices:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache = SliceCache(read)
    with pytest.raises(DataError):
        cache.get("a")
    assert cache.get("a").shape == SHAPE
