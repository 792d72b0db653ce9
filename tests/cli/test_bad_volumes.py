"""Each kind of bad volume ends ``medbench evaluate`` with exit code 2 and one line that names the file."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
from typer.testing import CliRunner

from cli.main import app
from medbench.datasets.phantom.dataset import affine, generate

SHAPE = (16, 16, 16)


def _nifti(path: Path, voxels: np.ndarray, matrix: np.ndarray | None = None) -> nibabel.Nifti1Image:
    image = nibabel.Nifti1Image(voxels, affine(SHAPE) if matrix is None else matrix)
    nibabel.save(image, path)
    return image


def _hu(shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    return np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.int16)


def _patch_header(path: Path, *, offset: int, content: bytes) -> None:
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[offset : offset + len(content)] = content
    path.write_bytes(gzip.compress(bytes(raw)))


def truncated(path: Path) -> None:
    _nifti(path, _hu())
    path.write_bytes(path.read_bytes()[:2000])


def two_dimensions(path: Path) -> None:
    _nifti(path, _hu((16, 16)))


def five_dimensions(path: Path) -> None:
    _nifti(path, _hu((8, 8, 8, 2, 3)))


def not_a_number(path: Path) -> None:
    voxels = _hu().astype(np.float32)
    voxels[0, 0, 0] = np.nan
    _nifti(path, voxels)


def infinite(path: Path) -> None:
    voxels = _hu().astype(np.float32)
    voxels[0, 0, 0] = np.inf
    _nifti(path, voxels)


def zero_spacing(path: Path) -> None:
    _nifti(path, _hu())
    _patch_header(path, offset=80, content=np.float32(0).tobytes())  # pixdim[1]
    _patch_header(path, offset=254, content=np.int16(0).tobytes())  # sform_code: the spacing then counts


def singular_affine(path: Path) -> None:
    _nifti(path, _hu())
    _patch_header(path, offset=280, content=np.zeros(4, np.float32).tobytes())  # srow_x


def claims_terabytes(path: Path) -> None:
    _nifti(path, _hu())
    _patch_header(path, offset=42, content=np.array([30000, 30000, 30000], np.int16).tobytes())  # dim[1..3]


def scaled_to_one(path: Path) -> None:
    _nifti(path, np.random.default_rng(0).random(SHAPE, dtype=np.float32))


def grey_values(path: Path) -> None:
    _nifti(path, np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8))


def constant(path: Path) -> None:
    _nifti(path, np.full(SHAPE, -1000, np.int16))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def no_image(path: Path) -> None:
    path.write_bytes(b"a letter to the editor")


BAD = [
    truncated,
    two_dimensions,
    five_dimensions,
    not_a_number,
    infinite,
    zero_spacing,
    singular_affine,
    claims_terabytes,
    scaled_to_one,
    grey_values,
    constant,
    empty,
    no_image,
]


def _refusal(real: Path, samples: Path, out: Path) -> str:
    arguments = ["evaluate", str(samples), "--real", str(real), "--metrics", "fid25d", "--out", str(out), "--quiet"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert not (out / "results.json").exists()
    return result.stderr


@pytest.fixture
def real(tmp_path: Path) -> Path:
    for seed in range(2):
        generate(seed, SHAPE)[0].write(tmp_path / "real" / f"{seed}.nii.gz")
    return tmp_path / "real"


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_bad_file_is_named_in_one_line(make: Callable[[Path], None], real: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    generate(5, SHAPE)[0].write(samples / "a.nii.gz")
    make(samples / "bad.nii.gz")
    line = _refusal(real, samples, tmp_path / "out")
    assert "bad.nii.gz" in line
    assert ": " in line.removeprefix("medbench: ")


@pytest.mark.parametrize("damage", ["missing", "short"])
def test_a_header_without_its_data_is_named(damage: str, real: Path, tmp_path: Path) -> None:
    samples = tmp_path / "samples"
    generate(5, SHAPE)[0].write(samples / "a.nii.gz")
    (samples / "bad.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 16 16 16\nElementSpacing = 1 1 1\n"
        "ElementType = MET_SHORT\nElementByteOrderMSB = False\nElementDataFile = bad.raw\n"
    )
    if damage == "short":
        (samples / "bad.raw").write_bytes(_hu().tobytes()[:-100])
    line = _refusal(real, samples, tmp_path / "out")
    assert "bad.raw" in line
