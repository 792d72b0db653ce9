"""Split files: what they list, and what is said when they contradict the folder or themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medbench.datasets.folder import FolderDataset
from medbench.errors import DataError


def ids(dataset: FolderDataset) -> dict[str, list[str]]:
    return {split: [case.id for case in dataset.cases(split)] for split in ("train", "select", "test")}


def test_json_splits_and_leaves_out_what_it_does_not_list(root: Path) -> None:
    (root / "splits.json").write_text(json.dumps({"train": ["site.1/b.mhd"], "test": ["a"]}))
    assert ids(FolderDataset(root)) == {"train": ["site.1/b"], "select": [], "test": ["a"]}


def test_csv_splits_by_patient(root: Path) -> None:
    (root / "splits.csv").write_text(
        "id,split,patient\nsite.1/c,train,P1\nsite.1/b,train,P1\na,select,\n", encoding="utf-8-sig"
    )
    dataset = FolderDataset(root)
    assert [(case.id, case.patient) for case in dataset.cases("train")] == [("site.1/c", "P1"), ("site.1/b", "P1")]
    assert [(case.id, case.patient) for case in dataset.cases("select")] == [("a", "a")]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("splits.json", '{"train": ["a", "ghost"]}', r"lists 'ghost', and no volume has this id"),
        ("splits.json", '{"train": ["a"], "test": ["a.nii.gz"]}', r"lists 'a' twice: delete one"),
        ("splits.json", '{"validation": ["a"]}', r"into the split 'validation': use one of train, select, test"),
        ("splits.json", '["a"]', r"does not list ids by split: write \{"),
        ("splits.json", "{train: a}", r"is not JSON \(line 1: .*\): write \{"),
        ("splits.json", "[" * 100_000, r"does not list ids by split"),
        ("splits.json", '{"train": [' + "1" * 10_000 + "]}", r"does not list ids by split"),
        ("splits.csv", "id,split\na," + "x" * 200_000 + "\n", r"line \d is damaged"),
        ("splits.csv", "id;split\na;train\n", r"has no column id and split: its first line must be"),
        ("splits.csv", "id,split\na,train\na,train\n", r"lists 'a' twice"),
        ("splits.csv", "id,split\n,train\n", r"lists '', and no volume has this id"),
        ("splits.csv", "id,split\na\n", r"puts 'a' into the split '': use one of"),
        (
            "splits.csv",
            "id,split,patient\na,train,P1\nsite.1/b,test,P1\n",
            r"has patient 'P1' in both train and test: put all volumes of a patient into one split",
        ),
    ],
)
def test_a_wrong_split_file_is_one_line_that_names_it(root: Path, name: str, text: str, message: str) -> None:
    (root / name).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        FolderDataset(root).cases("train")
    assert str(root / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_split_files_are_refused(root: Path) -> None:
    (root / "splits.json").write_text("{}")
    (root / "splits.csv").write_text("id,split\n")
    with pytest.raises(DataError, match=r"both splits\.json and splits\.csv"):
        FolderDataset(root).cases("train")


def test_a_split_file_in_another_encoding_is_refused(root: Path) -> None:
    (root / "splits.csv").write_bytes("id,split\nm\u00fcller,train\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"splits\.csv is not UTF-8"):
        FolderDataset(root).cases("train")
