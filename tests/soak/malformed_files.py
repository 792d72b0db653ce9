"""Malformed volumes, documents and weights: each maker breaks one thing in a folder that was sound."""

from __future__ import annotations

import gzip
import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK

from medbench import Volume

Random = np.random.Generator
Maker = Callable[[Path, Random], None]

AFFINE = np.diag([2.0, 2.0, 3.0, 1.0])
_WORDS = (
    "NaN",
    "-1",
    "0",
    "1e999",
    "9" * 400,
    "\u2193",
    "=1+1",
    "../../x",
    "a\nb",
    "",
    "null",
    "[[[",
    "\x1b[31m",
    "x" * 300,
)


def body(seed: int, shape: tuple[int, int, int] = (16, 16, 8)) -> np.ndarray:
    """Return a body of soft tissue in air, (x, y, z) int16 HU."""
    random, places = np.random.default_rng(seed), np.indices(shape)
    inside = sum((2 * place / size - 1 + 0.1 * random.normal()) ** 2 for place, size in zip(places, shape)) < 0.6
    return (np.where(inside, 40, -1000) + 20 * random.normal(size=shape)).clip(-1024, 2000).astype(np.int16)


def sound(folder: Path, count: int, first: int) -> None:
    """Write volumes that medbench reads."""
    for number in range(count):
        Volume(body(first + number), AFFINE).write(folder / f"v{number}.nii.gz")


def one_of(random: Random, choices: list[Path]) -> Path:
    """Return one of some files."""
    return choices[int(random.integers(len(choices)))]


def scramble(content: bytes, random: Random, *, most: int | None = None) -> bytes:
    """Cut, flip, double or insert bytes, among the first ``most``."""
    data = bytearray(content)
    end = max(1, min(len(data), most or len(data)))
    for _ in range(int(random.integers(1, 9))):
        place, kind = int(random.integers(end)), int(random.integers(5))
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << int(random.integers(8))
        elif kind == 1:
            data[place : place + 4] = random.bytes(4)
        elif kind == 2:
            data[place:place] = random.bytes(int(random.integers(1, 40)))
        elif kind == 3:
            del data[place : place + int(random.integers(1, 40))]
        else:
            data[place : place + 8] = struct.pack("<q", int(random.choice([0, -1, 2**31 - 1, 2**62])))
    return bytes(data[: int(random.integers(len(data) + 1))]) if random.random() < 0.2 else bytes(data)


def header_of_nifti(samples: Path, random: Random) -> None:
    path = one_of(random, sorted(samples.glob("*.gz")))
    raw = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(scramble(raw[:352], random, most=348)[:400] + raw[352:]))


def bytes_of_nifti(samples: Path, random: Random) -> None:
    path = one_of(random, sorted(samples.glob("*.gz")))
    path.write_bytes(scramble(path.read_bytes(), random))


def gzip_bomb(samples: Path, random: Random) -> None:
    raw = bytearray(gzip.decompress((samples / "v0.nii.gz").read_bytes())[:352])
    size = int(random.choice([64, 512, 2000, 32767]))
    raw[42:48] = struct.pack("<3h", size, size, size)
    with gzip.open(samples / "bomb.nii.gz", "wb", 9) as file:
        file.write(bytes(raw))
        for _ in range(64):
            file.write(bytes(2**20))


def absurd_grid(samples: Path, random: Random) -> None:
    raw = bytearray(gzip.decompress((samples / "v0.nii.gz").read_bytes()))
    for axis, step in enumerate(random.choice([1e9, 1e-9, 1e30, np.nan, 0, -2, 2], 3).astype("<f4")):
        for place in (80 + 4 * axis, 280 + 20 * axis):  # pixdim, and the diagonal of the sform
            raw[place : place + 4] = step.tobytes()
    (samples / "absurd.nii").write_bytes(bytes(raw))


def odd_voxels(samples: Path, random: Random) -> None:
    kind = random.choice(["f4", "f8", "u1", "c8", "i8", "u8"])
    voxels = body(8).astype(kind)
    if voxels.dtype.kind == "f":
        voxels.flat[int(random.integers(voxels.size))] = random.choice([np.nan, np.inf, -np.inf, 1e38])
    shape = [voxels.shape, (*voxels.shape, 1), (*voxels.shape, 3), voxels.shape[:2], (1, *voxels.shape)]
    chosen = shape[int(random.integers(len(shape)))]
    image = nib.Nifti1Image(np.resize(voxels, chosen), AFFINE, dtype=kind)
    try:
        if voxels.dtype.kind in "iu":
            image.header.set_slope_inter(float(random.choice([1, np.nan, 1e30, -1e-30])), 0)
        nib.save(image, samples / "odd.nii.gz")
    except (ValueError, OverflowError, nib.spatialimages.HeaderDataError):
        (samples / "odd.nii.gz").write_bytes(b"")


def text_header(samples: Path, random: Random) -> None:
    suffix = str(random.choice([".mha", ".mhd", ".nrrd"]))
    path = samples / f"text{suffix}"
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(body(9)), str(path), bool(random.random() < 0.5))
    path.write_bytes(scramble(path.read_bytes(), random, most=500))


def dicom(samples: Path, random: Random) -> None:
    series = samples / "series"
    series.mkdir()
    for number in range(4):
        image = SimpleITK.GetImageFromArray(body(10)[None, ..., number])
        for tag, value in (("0008|0060", "CT"), ("0020|0032", f"0\\0\\{number}"), ("0020|0037", "1\\0\\0\\0\\1\\0")):
            image.SetMetaData(tag, value)
        SimpleITK.WriteImage(image, str(series / f"{number}.dcm"))
    path = one_of(random, sorted(series.iterdir()))
    path.write_bytes(scramble(path.read_bytes(), random, most=1500))


def not_a_file(samples: Path, random: Random) -> None:
    kind = int(random.integers(6))
    if kind == 0:
        (samples / "x.nii.gz").symlink_to("nowhere.nii.gz")
    elif kind == 1:
        os.mkfifo(samples / "x.nii.gz")
    elif kind == 2:
        (samples / "x.nii.gz").mkdir()
    elif kind == 3:
        Path(os.fsdecode(os.fsencode(samples) + b"/\xff\xfe")).mkdir()
        (samples / "v0.nii.gz").rename(os.fsdecode(os.fsencode(samples) + b"/\xff\xfe/v\xff.nii.gz"))
    elif kind == 4:
        (samples / "x.nii.gz").write_bytes(random.bytes(int(random.integers(5000))))
    else:
        (samples / "x\n\x1b[31m=1+1.nii.gz").write_bytes(random.bytes(40))


def tangled_tree(samples: Path, random: Random) -> None:
    if random.random() < 0.5:
        folders = [samples / str(number) for number in range(8)]
        for folder in folders:
            folder.mkdir()
            for other in folders:
                (folder / f"to-{other.name}").symlink_to(other)
        return
    here = os.open(samples, os.O_RDONLY)
    for _ in range(int(random.integers(500, 1500))):
        os.mkdir("deep", dir_fd=here)
        below = os.open("deep", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def document(text: str, random: Random) -> bytes:
    """Return a JSON or TOML document broken in one of the ways in which hands and programs break them."""
    kind = int(random.integers(6))
    if kind == 0:
        return b"[" * 100_000
    if kind == 1:
        return text.replace("1", "9" * 10_000, 1).encode()
    if kind == 2:
        return text.encode("utf-16")
    if kind == 3:
        words = text.split('"')
        words[int(random.integers(len(words)))] = str(random.choice(_WORDS))
        return '"'.join(words).encode("utf-8", "replace")
    if kind == 4:
        return json.dumps(random.choice([None, 7, "x"])).encode() if random.random() < 0.5 else b"[1, 2]"
    return scramble(text.encode(), random)


def manifest(samples: Path, random: Random) -> None:
    line = {"index": 0, "seed": 1, "file": "v0.nii.gz", "sha256": "0" * 64, "shape": [16, 16, 8], "condition": None}
    line |= {"spacing": [2.0, 2.0, 3.0], "native_shape": [16, 16, 8], "seconds": 0.1}
    (samples / "manifest.jsonl").write_bytes(document(json.dumps(line), random) + b"\n" + json.dumps(line).encode())


def labels(samples: Path, random: Random) -> None:
    (samples / "masks").mkdir()
    for path in sorted(samples.glob("*.nii.gz")):
        nib.save(nib.Nifti1Image((body(3) > 0).astype(np.uint8), AFFINE), samples / "masks" / path.name)
    (samples / "masks" / "labels.json").write_bytes(document('{"1": "lung", "2": "heart"}', random))
    if random.random() < 0.3:
        bytes_of_nifti(samples / "masks", random)


def protocol_file(folder: Path, random: Random) -> None:
    field = random.choice(["pad_hu = 1", 'shape = [1, "x", 1]', "spacing_mm = [0, 1, 1]", "shape = [1, 99999, 99999]"])
    text = f'name = "x"\nsummary = "1"\nextractor = "seeded-resnet"\n[grid]\n{field}\nfit = "crop_pad"\n'
    (folder / "mine.toml").write_bytes(document(text, random) if random.random() < 0.7 else text.encode())


def checkpoint(folder: Path, random: Random) -> None:
    shipped = sorted(Path(sys.modules["medbench_models"].__path__[0]).glob("**/*.safetensors"))
    content = one_of(random, shipped).read_bytes()
    (folder / "mine.safetensors").write_bytes(scramble(content, random, most=4000))


MAKERS: tuple[Maker, ...] = (
    header_of_nifti,
    bytes_of_nifti,
    gzip_bomb,
    absurd_grid,
    odd_voxels,
    text_header,
    dicom,
    not_a_file,
    tangled_tree,
    manifest,
    labels,
)
