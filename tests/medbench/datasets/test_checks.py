"""A message that ends in its mend becomes a row."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from medbench.datasets.checks import failure, headers_are_sound, passed_over_rows, volume_rows
from medbench.errors import DataError
from medbench.imaging.findings import Finding
from medbench.imaging.volume import Volume


def test_an_error_becomes_a_row_with_its_mend() -> None:
    row = failure("layout", DataError("/x: no such folder: check the path"))
    assert row == {"check": "layout", "ok": False, "detail": "/x: no such folder", "mend": "check the path"}


def test_a_volume_is_read_to_its_last_voxel(tmp_path: Path, write_volume: Callable[..., object]) -> None:
    path = tmp_path / "a.nii.gz"
    write_volume(path)
    assert [row["ok"] for row in volume_rows({path: None})] == [True]
    path.write_bytes(path.read_bytes()[:-20])
    assert headers_are_sound([path])
    total, fault = volume_rows({path: None})
    assert (total["detail"], total["ok"]) == ("0 of 1 are sound (read to the last voxel)", False)
    assert "truncated" in fault["detail"]


def test_what_the_gate_would_refuse_is_not_sound(tmp_path: Path) -> None:
    Volume(np.arange(64, dtype=np.int16).reshape(4, 4, 4)).write(tmp_path / "a.nii.gz")
    _, fault = volume_rows({tmp_path / "a.nii.gz": None})
    assert "no CT in HU spans so little" in fault["detail"] and "undo the scaling" in fault["mend"]


def test_what_is_passed_over_is_a_row_for_each_reason() -> None:
    findings = [Finding("note", name, "hidden", "not read: 2 hidden") for name in "ab"]
    rows = passed_over_rows(findings)
    assert [(row["ok"], row["detail"]) for row in rows] == [(True, "a: not read: 2 hidden")]
