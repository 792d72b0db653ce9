"""Header checks see the grid that reading would give, and tell a damaged header from a sound one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest

from medbench.datasets.checks import failure, header_rows, read_grid
from medbench.errors import DataError
from medbench.volume import Volume

Write = Callable[..., object]
OBLIQUE = np.array([[0, 0.1, -2.0, 5], [-0.9, 0, 0, 6], [0, 0.8, 0.25, 7], [0, 0, 0, 1]])


def as_read(path: Path) -> bool:
    shape, affine = read_grid(path)
    volume = Volume.read(path)
    return shape == volume.shape and np.allclose(affine, volume.affine, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz"])
@pytest.mark.parametrize("affine", [np.diag([0.7, 0.8, 2.5, 1]), np.diag([-0.7, -0.8, 2.5, 1]), OBLIQUE])
def test_nifti_headers_give_the_grid_that_is_read(tmp_path: Path, name: str, affine: np.ndarray) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5, 4), np.int16), affine), tmp_path / name)
    assert as_read(tmp_path / name)


@pytest.mark.parametrize("name", ["v.mhd", "v.mha", "v.nrrd"])
@pytest.mark.parametrize("flipped", [False, True])
def test_itk_headers_give_the_grid_that_is_read(tmp_path: Path, write_itk: Write, name: str, flipped: bool) -> None:
    write_itk(tmp_path / name, np.zeros((6, 5, 4), np.int16), np.diag([0.7, 0.8, 2.5, 1]), flipped=flipped)
    assert as_read(tmp_path / name)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("DimSize = 6 5 4", "DimSize = 6 5 9", "has 240 bytes in place of 540"),
        ("ElementSpacing = 0.5 0.5 2.5", "ElementSpacing = 0.5 0 2.5", "spacing|no readable header"),
        ("ElementDataFile = v.raw", "ElementDataFile = w.raw", r"data file w\.raw is missing"),
    ],
)
def test_damaged_metaimages_are_told(tmp_path: Path, write_itk: Write, old: str, new: str, message: str) -> None:
    path = tmp_path / "v.mhd"
    write_itk(path, np.zeros((6, 5, 4), np.int16), np.diag([0.5, 0.5, 2.5, 1]))
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(DataError, match=message):
        read_grid(path)


def test_compressed_metaimages_only_need_their_data_file(tmp_path: Path, write_itk: Write) -> None:
    write_itk(tmp_path / "v.mhd", np.zeros((6, 5, 4), np.int16), np.eye(4), packed=True)
    assert (tmp_path / "v.zraw").exists()
    assert as_read(tmp_path / "v.mhd")


def test_images_that_are_not_3d_are_told(tmp_path: Path) -> None:
    nibabel.save(nibabel.Nifti1Image(np.zeros((6, 5), np.int16), np.eye(4)), tmp_path / "flat.nii")
    (tmp_path / "text.nii.gz").write_text("no image")
    rows = header_rows([tmp_path / "flat.nii", tmp_path / "text.nii.gz"])
    assert [(row["check"], row["ok"]) for row in rows] == [
        ("headers", False),
        ("flat.nii", False),
        ("text.nii.gz", False),
    ]
    assert rows[0]["detail"] == "0 of 2 are sound"


def test_an_error_becomes_a_row_with_its_mend() -> None:
    row = failure("layout", DataError("/x: no such folder: check the path"))
    assert row == {"check": "layout", "ok": False, "detail": "/x: no such folder", "mend": "check the path"}
