"""Names that may hold volumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.imaging.formats.suffixes import foreign_mend, suffix_of


@pytest.mark.parametrize(
    ("name", "suffix"), [("a.NII.GZ", ".nii.gz"), ("a.seg.nrrd", ".nrrd"), ("a.nii.bak", ""), ("nii", "")]
)
def test_the_suffix_of_a_volume(name, suffix):
    assert suffix_of(Path(name)) == suffix


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("a.npz", "write each with medbench.Volume"),
        ("a.IMG", "write each as .nii.gz"),
        ("a.tif", "stack the slices"),
        ("a.nii.zst", "unpack it"),
        ("a.nii.tmp", "finish or rename"),
        ("a.nii (1)", "finish or rename"),
    ],
)
def test_what_may_hold_a_volume_has_a_mend(name, mend):
    assert mend in foreign_mend(Path(name))


@pytest.mark.parametrize("name", ["a.nii.gz", "a.txt", "manifest.jsonl", "labels.json", "LICENSE", "a.niiX"])
def test_all_else_has_none(name):
    assert foreign_mend(Path(name)) == ""
