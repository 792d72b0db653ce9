"""What is held beyond the bound is on disk, and is the same."""

import errno
import tempfile

import numpy as np
import pytest

from medbench.errors import StorageError
from medbench.metrics.spill import held


def arrays():
    return [np.random.default_rng(seed).normal(size=(seed + 1, 3)).astype(np.float32) for seed in range(6)]


@pytest.mark.parametrize("most", [0, 100, 10**6])
def test_arrays_come_back_in_order_whatever_lies_on_disk(tmp_path, most):
    found = held(iter(arrays()), lambda: tmp_path, most_bytes=most)
    for one, expected in zip(found, arrays(), strict=True):
        np.testing.assert_array_equal(one, expected)
        assert one.dtype == np.float32
    in_memory = sum(one.nbytes for one in found if not isinstance(one, np.memmap))
    assert in_memory <= most
    assert not list(tmp_path.iterdir())  # the file has no name


def test_no_folder_is_made_where_memory_suffices():
    assert len(held(arrays(), lambda: pytest.fail("a folder was asked for"))) == 6


def test_a_full_disk_is_told_in_a_line(tmp_path, monkeypatch):
    def full(**kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(StorageError, match="full"):
        held(arrays(), lambda: tmp_path, most_bytes=0)
