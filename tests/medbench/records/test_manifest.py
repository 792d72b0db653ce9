"""The manifest: what it lists is below its folder, once, and as it was written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from medbench.errors import DataError
from medbench.generators.base import sample_seed
from medbench.imaging.volume import LabelMap, Volume
from medbench.records.manifest import Manifest, SampleRecord
from medbench.records.samples import open_folder
from medbench.storage.files import sha256_of


def _sample(folder: Path, index: int) -> SampleRecord:
    path = folder / f"{index:06d}.nii.gz"
    Volume(np.full((4, 4, 4), index, np.int16)).write(path)
    return SampleRecord(
        index=index,
        seed=sample_seed(0, index),
        file=path.name,
        sha256=sha256_of(path),
        shape=(4, 4, 4),
        spacing=(1, 1, 1),
        native_shape=(4, 4, 4),
        condition=None,
        seconds=0.1,
    )


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    manifest = Manifest(tmp_path)
    for index in (2, 0, 1):
        manifest.append(_sample(tmp_path, index))
    return manifest


def test_a_line_that_a_kill_cut_short_is_passed_over(manifest: Manifest) -> None:
    with manifest.path.open("a") as handle:
        handle.write('{"index": 3, "seed"')
    assert sorted(manifest.records()) == [0, 1, 2]


def test_a_damaged_line_in_the_middle_is_named(manifest: Manifest) -> None:
    lines = manifest.path.read_text(encoding="utf-8").splitlines()
    manifest.path.write_text("\n".join([lines[0], "nonsense", lines[2]]))
    with pytest.raises(DataError, match=r"manifest\.jsonl line 2 is damaged"):
        manifest.records()


def test_only_samples_with_the_recorded_content_are_complete(manifest: Manifest) -> None:
    (manifest.folder / "000001.nii.gz").write_bytes(b"half")
    assert sorted(manifest.complete(3)) == [0, 2]
    assert sorted(manifest.complete(1)) == [0]


def _edit(manifest: Manifest, number: int, **fields: object) -> None:
    """Change a line as a text editor would, and leave out the checksum, as other tools do."""
    lines = manifest.path.read_text(encoding="utf-8").splitlines()
    document = json.loads(lines[number - 1]) | fields
    del document["checksum"]
    lines[number - 1] = json.dumps(document)
    manifest.path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_a_changed_digit_is_damage(manifest: Manifest) -> None:
    text = manifest.path.read_text(encoding="utf-8")
    manifest.path.write_text(text.replace('"shape": [4, 4, 4]', '"shape": [4, 4, 5]', 1), encoding="utf-8")
    with pytest.raises(DataError, match="line 1 is damaged"):
        manifest.records()
    assert sorted(manifest.complete(3)) == [0, 1]  # a run makes the other sample again


def test_a_run_makes_what_is_no_text_again(manifest: Manifest) -> None:
    manifest.path.write_bytes(manifest.path.read_bytes().replace(b'"seed"', b'"se\xffd"', 1))
    assert sorted(manifest.complete(3)) == [0, 1]
    with pytest.raises(DataError, match="is not UTF-8 text"):
        open_folder(manifest.folder)


def test_a_damaged_last_line_is_no_cut_one(manifest: Manifest) -> None:
    manifest.path.write_text(manifest.path.read_text(encoding="utf-8")[:-3] + "}\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 3 is damaged"):
        manifest.records()


@pytest.mark.parametrize("field", ["file", "condition"])
@pytest.mark.parametrize("name", ["../outside.nii.gz", "/etc/passwd", "within/../../outside.nii.gz", "link.nii.gz"])
def test_a_file_outside_the_folder_is_refused(manifest: Manifest, field: str, name: str) -> None:
    outside = manifest.folder.parent / "outside.nii.gz"
    outside.write_bytes((manifest.folder / "000000.nii.gz").read_bytes())
    (manifest.folder / "link.nii.gz").symlink_to(outside)
    _edit(manifest, 2, **{field: name})
    with pytest.raises(DataError, match=r"manifest\.jsonl line 2 names '.*', which lies outside"):
        open_folder(manifest.folder)
    if field == "file":
        assert sorted(manifest.complete(3)) == [1, 2]


@pytest.mark.parametrize(
    ("fields", "again"), [({"index": 2}, "sample 2"), ({"file": "000002.nii.gz"}, "000002.nii.gz")]
)
def test_a_sample_or_a_file_is_listed_once(manifest: Manifest, fields: dict[str, object], again: str) -> None:
    _edit(manifest, 2, **fields)
    with pytest.raises(DataError, match=f"line 2 lists {again} once more"):
        open_folder(manifest.folder)


def test_a_negative_index_is_damage(manifest: Manifest) -> None:
    _edit(manifest, 2, index=-1)
    with pytest.raises(DataError, match="line 2 is damaged"):
        open_folder(manifest.folder)


def test_samples_of_other_weights_are_not_complete(manifest: Manifest) -> None:
    assert manifest.complete(3, checkpoint="0" * 64) == {}
    assert manifest.count() == 3


def test_a_condition_goes_by_its_content(manifest: Manifest) -> None:
    condition = manifest.folder / "conditions" / "000002.nii.gz"
    LabelMap(np.ones((4, 4, 4), np.uint8)).write(condition)
    fields = {"condition": "conditions/000002.nii.gz", "condition_sha256": sha256_of(condition)}
    record = manifest.records()[2].model_copy(update=fields | {"condition_regions": {"1": "lung"}})
    manifest.rewrite([record])
    (item,) = open_folder(manifest.folder)
    assert (item.condition, item.condition_regions) == (condition, {1: "lung"})
    LabelMap(np.zeros((4, 4, 4), np.uint8)).write(condition)
    with pytest.raises(DataError, match=r"conditions/000002\.nii\.gz is not the file that"):
        open_folder(manifest.folder)
    assert manifest.complete(3) == {}


def test_parts_are_read_with_the_manifest_and_taken_in_by_the_next_rewrite(tmp_path: Path) -> None:
    manifest, parts = Manifest(tmp_path), [Manifest(tmp_path, "1of2"), Manifest(tmp_path, "2of2")]
    for index, one in enumerate([manifest, *parts]):
        one.append(_sample(tmp_path, index))
    assert sorted(manifest.complete(3)) == sorted(parts[0].complete(3)) == [0, 1, 2]
    assert sorted(manifest.records()) == [0]
    manifest.rewrite(manifest.complete(3).values())
    assert sorted(manifest.records()) == [0, 1, 2]
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_a_line_that_a_killed_writer_cut_spoils_no_other_one(tmp_path: Path) -> None:
    part = Manifest(tmp_path, "1of2")
    part.append(_sample(tmp_path, 0))
    with (tmp_path / ".manifest-1of2.jsonl").open("a", encoding="utf-8") as handle:
        handle.write('{"index": 1, "se')
    part.append(_sample(tmp_path, 2))
    assert sorted(Manifest(tmp_path).complete(3)) == [0, 2]
