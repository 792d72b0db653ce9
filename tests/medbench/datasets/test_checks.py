"""Header checks tell a damaged header from a sound one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medbench.datasets.checks import failure, header_rows
from medbench.errors import DataError

Write = Callable[..., object]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DimSize = 6 5 4", "DimSize = 6 5 9", "promises 540 bytes, found 240 bytes"),
        ("DimSize = 6 5 4\n", "", "shape"),
        ("ElementSpacing = 0.5 0.5 2.5", "ElementSpacing = 0.5 0 2.5", "spacing"),
        ("ElementDataFile = v.raw", "ElementDataFile = w.raw", r"data file w.raw is missing"),
    ],
)
def test_damaged_metaimages_are_told(tmp_path: Path, write_itk: Write, old: str, new: str, message: str) -> None:
    path = tmp_path / "v.mhd"
    write_itk(path, np.zeros((6, 5, 4), np.int16), np.diag([0.5, 0.5, 2.5, 1]))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    headers, fault = header_rows({path: None})
    assert (headers["detail"], headers["ok"]) == ("0 of 1 are sound", False)
    assert message in str(fault["detail"])
    assert fault["mend"]


def test_images_that_are_not_3d_are_told(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5), np.int16), np.eye(4)), tmp_path / "flat.nii")
    (tmp_path / "text.nii.gz").write_text("no image")
    rows = header_rows({tmp_path / "flat.nii": None, tmp_path / "text.nii.gz": None})
    assert [(row["check"], row["ok"]) for row in rows] == [
        ("headers", False),
        ("flat.nii", False),
        ("text.nii.gz", False),
    ]
    assert rows[0]["detail"] == "0 of 2 are sound"


def test_an_error_becomes_a_row_with_its_mend() -> None:
    row = failure("layout", DataError("/x: no such folder: check the path"))
    assert row == {"check": "layout", "ok": False, "detail": "/x: no such folder", "mend": "check the path"}
