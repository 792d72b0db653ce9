"""What can happen to a stored file: bits flip, it is cut, edited, lost, or another takes its place."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medbench.storage.seals import SUFFIX

_NEVER_READ = re.compile(r"log\.txt|events\.out\..*|\.lock.*")


def stored_files(folder: Path) -> list[Path]:
    """Return the files below a folder that a program reads again, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    return [path for path in files if not _NEVER_READ.fullmatch(path.name)]


def damage(path: Path, files: Sequence[Path], chance: np.random.Generator) -> str:
    """Damage a file; return how.

    Args:
        path: the file.
        files: all stored files, of which another one may take its place.
        chance: decides how and where, evenly over the file's bytes.
    """
    ways = [_flip, _byte, _cut, _blank, _lose, _edit]
    others = [other for other in files if other.suffixes[-2:] == path.suffixes[-2:] and other != path]
    way = int(chance.integers(len(ways) + 2))
    if way >= len(ways) and others:
        other = others[int(chance.integers(len(others)))]
        return _replace(path, other, with_seal=way > len(ways))
    chosen = ways[way % len(ways)]
    return chosen(path, chance)


def _replace(path: Path, other: Path, *, with_seal: bool) -> str:
    shutil.copy2(other, path)
    seals = [one.with_name(one.name + SUFFIX) for one in (other, path)]
    if with_seal and seals[0].is_file():
        shutil.copy2(*seals)
    return f"{other.name}{' with its seal' if with_seal else ''} in the place"


def _changed(path: Path, change: Callable[[bytearray], None]) -> None:
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def _flip(path: Path, chance: np.random.Generator) -> str:
    offset, bit = int(chance.integers(path.stat().st_size)), int(chance.integers(8))

    def flip(content: bytearray) -> None:
        content[offset] ^= 1 << bit

    _changed(path, flip)
    return f"flip of bit {bit} at {offset}"


def _byte(path: Path, chance: np.random.Generator) -> str:
    offset, value = int(chance.integers(path.stat().st_size)), int(chance.integers(256))
    _changed(path, lambda content: content.__setitem__(offset, value))
    return f"byte {value} at {offset}"


def _cut(path: Path, chance: np.random.Generator) -> str:
    offset = int(chance.integers(path.stat().st_size))
    path.write_bytes(path.read_bytes()[:offset])
    return f"cut at {offset}"


def _blank(path: Path, chance: np.random.Generator) -> str:
    offset = int(chance.integers(path.stat().st_size))
    _changed(path, lambda content: content.__setitem__(slice(offset, offset + 64), bytes(len(content[offset:][:64]))))
    return f"zeros from {offset}"


def _lose(path: Path, chance: np.random.Generator) -> str:
    del chance
    path.unlink()
    return "loss"


def _edit(path: Path, chance: np.random.Generator) -> str:
    """Change what a file says and keep it readable, as a person or another program would."""
    if path.suffix == ".npz":
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored.files}
        np.savez(path, **{name: _other(array) for name, array in arrays.items()})
    elif path.suffix == ".npy":
        np.save(path, np.load(path) + 1)
    elif path.name.endswith(".nii.gz"):
        from medbench.imaging.volume import Volume

        volume = Volume.read(path)
        Volume(np.roll(volume.voxels, 1, axis=0), volume.affine).write(path)
    elif path.suffix == ".pt":
        import torch

        document = torch.load(path, weights_only=True)
        torch.save(_scaled(document), path)
    else:
        return _digit(path, chance)
    return "edit"


def _other(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind in "fiu":
        return (1.5 * array + 1).astype(array.dtype)
    return array[::-1] if array.ndim else array


def _scaled(value: object) -> object:
    """Return a checkpoint with other weights."""
    import torch

    if isinstance(value, dict):
        return {key: _scaled(inner) for key, inner in value.items()}
    return 1.1 * value if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def _digit(path: Path, chance: np.random.Generator) -> str:
    """Change one digit of a text, and leave out what a document says of its own checksum in half of the cases."""
    content = path.read_bytes()
    digits = [match.start() for match in re.finditer(rb"[0-9]", content)]
    if not digits:
        return _flip(path, chance)
    offset = digits[int(chance.integers(len(digits)))]
    digit = (int(content[offset : offset + 1]) + 1 + int(chance.integers(9))) % 10
    content = content[:offset] + str(digit).encode() + content[offset + 1 :]
    if path.suffix == ".json" and chance.random() < 0.5:
        try:
            document = json.loads(content)
            content = json.dumps({key: document[key] for key in document if key != "checksum"}).encode()
        except (ValueError, TypeError):
            pass
    path.write_bytes(content)
    return f"digit at {offset}"
