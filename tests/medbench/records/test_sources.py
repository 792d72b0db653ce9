"""Where volumes come from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medbench.errors import DataError
from medbench.imaging.volume import LabelMap, Volume
from medbench.progress import silent
from medbench.records.sources import Files, Folder, source_of, table_column


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a/1", "a/10", "a/2", "b/1"):
        voxels = np.full((4, 4, 4), len(name), np.int16)
        voxels[0, 0, 0] = sum(map(ord, name))
        Volume(voxels).write(tmp_path / f"{name}.nii.gz")
    return tmp_path


def ids(given: Path | str, **options: Path) -> list[str]:
    return [item.id for item in source_of(given).volumes(masks=options.get("masks"), progress=silent)]


def test_a_folder_is_all_that_lies_below_it(tree: Path) -> None:
    assert source_of(tree / "a").name == "a"
    assert ids(tree) == ["a/1", "a/2", "a/10", "b/1"]


def test_a_pattern_is_what_matches_in_natural_order(tree: Path) -> None:
    assert ids(f"{tree}/a/*.nii.gz") == ["1", "2", "10"]
    assert ids(f"{tree}/**/1.nii.gz") == ["a/1", "b/1"]
    assert source_of(f"{tree}/a/*.nii.gz").name == "a"
    with pytest.raises(DataError, match=r"nothing matches .*\*\.mha"):
        source_of(f"{tree}/*.mha")


def test_a_name_with_a_patterns_signs_is_a_name_where_it_exists(tree: Path) -> None:
    (tree / "a").rename(tree / "a[1]")
    assert ids(tree / "a[1]") == ["1", "2", "10"]


def test_a_tables_column_names_files_beside_it_and_their_patients(tree: Path) -> None:
    table = tree / "cases.csv"
    table.write_text("file,patient\na/1.nii.gz,ada\nb/1.nii.gz,ada\na/2.nii.gz,\n,bob\n", encoding="utf-8")
    items = source_of(f"{table}:file").volumes(masks=None, progress=silent)
    assert [(item.id, item.subject) for item in items] == [("a/1", "ada"), ("b/1", "ada"), ("a/2", "a/2.nii.gz")]
    assert source_of(f"{table}:file") == table_column(table, "file")
    assert source_of(f"{table}:file").name == "cases"


def test_a_table_without_patients_has_volumes_that_stand_for_themselves(tree: Path) -> None:
    (tree / "cases.tsv").write_text("n\tfile\n1\ta/1.nii.gz\n2\ta/2.nii.gz\n", encoding="utf-8")
    items = table_column(tree / "cases.tsv", "file").volumes(masks=None, progress=silent)
    assert [(item.id, item.subject) for item in items] == [("1", "1"), ("2", "2")]


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        ("file\na/1.nii.gz\n", "path", "no column 'path': choose from file"),
        ("", "path", "no column 'path': choose from none, it is empty"),
        ("path\n\n", "path", "names no file in its column 'path'"),
        ("path\na/7.nii.gz\na/8.nii.gz\n", "path", r"7.nii.gz \(and 1 more\) does not exist"),
    ],
)
def test_a_table_that_cannot_be_used_is_named(tree: Path, text: str, column: str, said: str) -> None:
    (tree / "cases.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        source_of(f"{tree / 'cases.csv'}:{column}")
    with pytest.raises(DataError, match=r"absent.csv cannot be read"):
        source_of(f"{tree / 'absent.csv'}:{column}")


def test_files_are_known_below_the_folder_that_they_share(tree: Path) -> None:
    files = Files.of("mine", [tree / "b/1.nii.gz", tree / "a/1.nii.gz"])
    assert list(files.paths) == ["b/1", "a/1"]
    with pytest.raises(DataError, match="are both volume '1': keep one"):
        Files.of("mine", [tree / "b/1.nii.gz", tree / "b/1.nii.gz"])


def test_files_take_their_masks_from_a_folder(tree: Path) -> None:
    for name in ("1", "2", "9"):
        LabelMap(np.ones((4, 4, 4), np.uint8)).write(tree / "masks" / f"{name}.nii.gz")
    files = Files.of("mine", [tree / "a/1.nii.gz", tree / "a/2.nii.gz"])
    items = files.volumes(masks=tree / "masks", progress=silent)
    assert [item.mask for item in items] == [tree / "masks" / "1.nii.gz", tree / "masks" / "2.nii.gz"]
    (left,) = files.noticed(masks=tree / "masks")
    assert left.file.endswith("9.nii.gz")
    assert files.noticed(masks=None) == []
    with pytest.raises(DataError, match="has no mask for 10"):
        Files.of("mine", [tree / "a/1.nii.gz", tree / "a/10.nii.gz"]).volumes(masks=tree / "masks", progress=silent)


def test_what_does_not_exist_is_taken_for_a_folder_and_refused_as_one(tree: Path) -> None:
    assert source_of(tree / "nowhere") == Folder(tree / "nowhere")
    with pytest.raises(DataError, match="nowhere"):
        ids(tree / "nowhere")
