"""What a file's name says of its format: those that are read, and those that may hold volumes all the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SUFFIXES: Final = (".nii.gz", ".nii", ".mhd", ".mha", ".nrrd")

_ARRAY: Final = "write each with medbench.Volume(voxels, affine).write('NAME.nii.gz') in HU"
_OTHER: Final = "write each as .nii.gz (SimpleITK and nibabel read them)"
_SLICES: Final = "stack the slices of each volume and write it with medbench.Volume(voxels, affine).write(...) in HU"
_PACKED: Final = "unpack it, and write volumes as .nii.gz"
_FOREIGN: Final = {
    **dict.fromkeys((".npy", ".npz", ".pt", ".pth", ".ckpt", ".mat", ".h5", ".hdf5", ".pkl", ".safetensors"), _ARRAY),
    **dict.fromkeys((".bin", ".dat", ".b2nd", ".zarr"), _ARRAY),
    **dict.fromkeys((".img", ".hdr", ".nhdr", ".raw", ".zraw", ".mgz", ".mgh", ".mnc", ".vtk", ".vti"), _OTHER),
    **dict.fromkeys((".gipl", ".hdf", ".pic", ".par", ".rec", ".minc", ".nia", ".img.gz", ".hdr.gz"), _OTHER),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".jp2", ".tif", ".tiff", ".bmp", ".gif", ".webp"), _SLICES),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".lz4"), _PACKED),
}
_UNFINISHED: Final = "it bears a volume's suffix within its name: finish or rename it"


def suffix_of(path: Path) -> str:
    """Return the suffix that names a volume's format, in lower case; empty where there is none."""
    name = path.name.lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def foreign_mend(path: Path) -> str:
    """Return how a file becomes readable that may hold a volume in a format that is not read; empty where it cannot.

    Example:
        >>> foreign_mend(Path("notes.txt"))
        ''
        >>> foreign_mend(Path("scan.nii.gz.part"))
        "it bears a volume's suffix within its name: finish or rename it"
    """
    name = path.name.lower()
    if suffix_of(path):
        return ""
    if mend := _FOREIGN.get(path.suffix.lower(), ""):
        return mend
    return _UNFINISHED if re.search(r"\.(nii|mhd|mha|nrrd)([^a-z]|$)", name) else ""
