"""LUNA16: its fixed split, its flipped scans and padding, its masks, its downloads. Trees here have 8 tiny scans."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import pickle
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.luna.dataset import LunaDataset
from medbench.datasets.luna.files import LunaFile, LunaFiles
from medbench.datasets.luna.split import LunaSplit, Subset
from medbench.errors import DataError
from medbench.progress import silent

Write = Callable[..., None]

SPLIT = LunaSplit(
    rule="test",
    reason="test",
    subsets=(
        Subset(scans=3, split="train"),
        Subset(scans=2, split="train"),
        Subset(scans=1, split="select"),
        Subset(scans=2, split="test"),
    ),
)

AFFINE = np.diag([0.7, 0.7, 2.5, 1.0])


def uid(subset: int, index: int) -> str:
    return f"1.3.6.1.4.1.14519.{subset}.{index}"


def voxels(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 400, (6, 5, 4)).astype(np.int16)


@pytest.fixture
def root(tmp_path: Path, write_itk: Write) -> Path:
    folder = tmp_path / "luna"
    for number, subset in enumerate(SPLIT.subsets):
        for index in range(subset.scans):
            write_itk(folder / f"subset{number}" / f"{uid(number, index)}.mhd", voxels(10 * number + index), AFFINE)
    return folder


def luna(root: Path, files: LunaFiles | None = None) -> LunaDataset:
    return LunaDataset(root, split=SPLIT, files=files)


def ids(root: Path) -> dict[str, list[str]]:
    return {split: [case.id for case in luna(root).cases(split)] for split in ("train", "select", "test")}


def test_a_scan_belongs_where_its_subset_does(root: Path) -> None:
    assert ids(root) == {
        "train": [uid(0, 0), uid(0, 1), uid(0, 2), uid(1, 0), uid(1, 1)],
        "select": [uid(2, 0)],
        "test": [uid(3, 0), uid(3, 1)],
    }


def test_folders_may_lie_once_more_in_themselves(root: Path) -> None:
    before = ids(root)
    inner = root / "subset1" / "subset1"
    inner.mkdir()
    for path in list((root / "subset1").glob("*.*")):
        path.rename(inner / path.name)
    assert ids(root) == before


def test_flipped_scans_read_as_if_they_were_not(root: Path, write_itk: Write) -> None:
    path = root / "subset3" / f"{uid(3, 0)}.mhd"
    straight = luna(root).cases("test")[0].read_volume()
    write_itk(path, voxels(30), AFFINE, flipped=True)
    assert "TransformMatrix = -1 0 0 0 -1 0 0 0 1" in path.read_text()
    flipped = luna(root).cases("test")[0].read_volume()
    assert np.array_equal(flipped.voxels, voxels(30))
    assert np.array_equal(flipped.voxels, straight.voxels)
    assert np.allclose(flipped.affine, straight.affine)


def test_padding_outside_the_field_of_view_becomes_air(root: Path, write_itk: Write) -> None:
    padded = voxels(30)
    padded[0], padded[1, 0, 0] = -32768, 3071
    write_itk(root / "subset3" / f"{uid(3, 0)}.mhd", padded, AFFINE)
    case = pickle.loads(pickle.dumps(luna(root).cases("test")[0]))
    read = case.read_volume().voxels
    assert read.dtype == np.int16
    assert (read[0] == -1000).all()
    assert read[1, 0, 0] == 2000
    assert np.array_equal(read[2:], padded[2:])


def test_the_grid_and_window_are_the_papers() -> None:
    dataset = LunaDataset()
    assert dataset.grid is not None
    assert (dataset.grid.shape, dataset.grid.fit) == ((512, 512, 256), "resize")
    assert (dataset.window.low, dataset.window.high) == (-1000, 2000)


def test_lung_masks_get_our_values_and_names(root: Path, write_itk: Write) -> None:
    stored = np.zeros((6, 5, 4), np.int16)
    stored[0], stored[1], stored[2] = 3, 4, 5
    write_itk(root / "seg-lungs-LUNA16" / f"{uid(3, 1)}.mhd", stored, AFFINE, packed=True)
    first, second = luna(root).cases("test")
    assert first.read_label_map is None
    assert second.read_label_map is not None
    label_map = pickle.loads(pickle.dumps(second.read_label_map))()
    assert label_map.names == {1: "lung_left", 2: "lung_right", 3: "trachea"}
    assert label_map.voxels[:, 0, 0].tolist() == [1, 2, 3, 0, 0, 0]


def write_patients(root: Path, shared: dict[str, str], heading: str = "seriesuid,patient_id") -> None:
    rows = [heading, "1.2.3-not-in-luna,LIDC-0001"]
    for number, subset in enumerate(SPLIT.subsets):
        for scan in (uid(number, index) for index in range(subset.scans)):
            rows.append(f"{scan},{shared.get(scan, f'LIDC-{scan}')}")
    (root / "patients.csv").write_text("\n".join(rows))


@pytest.mark.parametrize("heading", ["seriesuid,patient_id", "Series UID,Subject ID", "SeriesInstanceUID,PatientID"])
def test_patients_keep_to_one_split_and_the_held_out_scans_stay(root: Path, heading: str) -> None:
    before = ids(root)
    write_patients(root, {uid(0, 1): "A", uid(3, 0): "A", uid(0, 2): "B", uid(2, 0): "B"}, heading)
    after = ids(root)
    assert after["test"] == before["test"]
    assert after["train"] == [uid(0, 0), uid(1, 0), uid(1, 1)]
    assert after["select"] == [uid(0, 2), uid(2, 0)]
    identity = luna(root).identity()
    assert identity["left_out"] == [uid(0, 1)]
    assert identity["moved_to_select"] == [uid(0, 2)]
    patients = {split: {case.patient for case in luna(root).cases(split)} for split in ("train", "select", "test")}
    assert not patients["train"] & (patients["select"] | patients["test"])
    assert patients["test"] == {"A", f"LIDC-{uid(3, 1)}"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "has no columns seriesuid and patient_id"),
        ("", "has no columns seriesuid and patient_id"),
        (f"seriesuid,patient_id\n{uid(0, 0)},A\n", rf"lacks 7 of 8 scans \(first: {uid(0, 1)}\): take metadata\.csv"),
    ],
)
def test_a_table_of_patients_is_whole_or_refused(root: Path, text: str, message: str) -> None:
    (root / "patients.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        luna(root).cases("train")


def test_an_absent_root_names_the_command(tmp_path: Path) -> None:
    wanted = rf"absent: no such folder: run 'medbench data fetch luna --data-root {tmp_path / 'absent'}'"
    with pytest.raises(DataError, match=wanted):
        LunaDataset(tmp_path / "absent").cases("test")


def test_missing_and_incomplete_subsets_are_counted(root: Path) -> None:
    shutil.rmtree(root / "subset1")
    (root / "subset0" / f"{uid(0, 0)}.mhd").unlink()
    with pytest.raises(
        DataError, match=r"subset0 has 2 scans in place of 3, subset1 is missing: run 'medbench data fetch luna"
    ) as caught:
        luna(root).cases("test")
    assert "\n" not in str(caught.value)
    rows = luna(root).verify()
    assert [(row["check"], row["ok"], row["detail"]) for row in rows[:3]] == [
        ("subset0", False, "2 of 3 scans (train)"),
        ("subset1", False, "0 of 2 scans (train)"),
        ("subset2", True, "1 of 1 scans (select)"),
    ]
    assert rows[0]["mend"] == f"run 'medbench data fetch luna --data-root {root}'"


def test_scans_too_many_and_scans_twice_are_refused(root: Path, write_itk: Write) -> None:
    write_itk(root / "subset2" / "9.9.mhd", voxels(0), AFFINE)
    with pytest.raises(DataError, match="subset2 has 2 scans in place of 1: keep only the published scans there"):
        luna(root).cases("test")
    (root / "subset2" / "9.9.mhd").unlink()
    (root / "subset2" / f"{uid(2, 0)}.mhd").rename(root / "subset2" / f"{uid(3, 0)}.mhd")
    with pytest.raises(DataError, match="are the same scan"):
        luna(root).cases("test")


def test_what_macos_leaves_beside_each_file_counts_nowhere(root: Path) -> None:
    before = ids(root)
    for path in list(root.rglob("*.mhd")):
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7" + bytes(200))
    assert ids(root) == before
    assert all(row["ok"] for row in luna(root).verify())


def test_what_is_no_scan_is_told(root: Path) -> None:
    (root / "subset0" / "more.npy").write_bytes(b"x")
    assert [Path(finding.file).name for finding in luna(root).noticed()] == ["more.npy"]


def test_verify_reads_scans_and_masks(root: Path, write_itk: Write) -> None:
    rows = luna(root).verify()
    assert all(row["ok"] for row in rows)
    assert [row["detail"] for row in rows[-2:]] == [
        "train 5, select 1, test 2, left out 0; not grouped by patient (no patients.csv)",
        "8 of 8 are sound (read to the last voxel)",
    ]
    (root / "subset0" / f"{uid(0, 0)}.raw").write_bytes(bytes(7))
    write_itk(root / "seg-lungs-LUNA16" / f"{uid(3, 1)}.mhd", np.zeros((6, 5, 3), np.int16), AFFINE)
    faults = [row["detail"] for row in luna(root).verify() if not row["ok"]]
    assert faults[:2] == [
        "7 of 8 are sound (read to the last voxel)",
        "0 of 1 are sound and on their volume's grid",
    ]
    assert "promises 240 bytes, found 7 bytes" in str(faults[2])


def test_the_identity_does_not_depend_on_the_place(root: Path) -> None:
    before = luna(root).identity()
    assert luna(root.rename(root.with_name("moved"))).identity() == before
    json.dumps(before)


class Quiet(http.server.SimpleHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def mirror(root: Path, folder: Path) -> Iterator[tuple[LunaFiles, list[str]]]:
    """Serve a tree as zips, one a subset and one of masks, and annotations.csv; the asked-for paths are kept."""
    served = folder / "records" / "1" / "files"
    served.mkdir(parents=True)
    names = [f"subset{number}" for number in range(len(SPLIT.subsets))] + ["seg-lungs-LUNA16"]
    for name in names:
        with zipfile.ZipFile(served / f"{name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted((root / name).iterdir()):
                archive.write(path, f"{name}/{path.name}")
    (served / "annotations.csv").write_text("seriesuid\n")
    files = [
        LunaFile(
            record=1,
            name=path.name,
            size_bytes=None if path.name.startswith("seg") else path.stat().st_size,
            md5=None if path.name.startswith("seg") else hashlib.md5(path.read_bytes()).hexdigest(),
        )
        for path in sorted(served.iterdir())
    ]
    asked: list[str] = []
    handler = type("Handler", (Quiet,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield LunaFiles(base_url=address, license="test", files=tuple(files)), asked
        finally:
            server.shutdown()
            thread.join()


def test_fetching_makes_the_tree_and_asks_for_nothing_twice(root: Path, tmp_path: Path, write_itk: Write) -> None:
    write_itk(root / "seg-lungs-LUNA16" / f"{uid(3, 1)}.mhd", np.full((6, 5, 4), 3, np.int16), AFFINE)
    with mirror(root, tmp_path / "zenodo") as (files, asked):
        dataset = luna(tmp_path / "new", files)
        assert len(dataset.fetch_plan()) == 6
        dataset.fetch(silent)
        assert dataset.fetch_plan() == []
        assert len(asked) == 6
        dataset.fetch(silent)
        assert len(asked) == 6
    assert ids(tmp_path / "new") == ids(root)
    assert np.array_equal(dataset.cases("test")[0].read_volume().voxels, voxels(30))
    assert dataset.cases("test")[1].read_label_map is not None
    mark = json.loads((tmp_path / "new" / ".fetched" / "seg-lungs-LUNA16.zip.json").read_text())
    assert mark["verified"] == "unverified: no published checksum"
    assert mark["sha256"] == (tmp_path / "new" / "seg-lungs-LUNA16.zip.sha256").read_text().split()[0]
    for archive in (tmp_path / "new").glob("*.zip"):
        archive.unlink()
    assert dataset.fetch_plan() == []


def test_only_what_is_missing_is_fetched(root: Path, tmp_path: Path, write_itk: Write) -> None:
    write_itk(root / "seg-lungs-LUNA16" / f"{uid(3, 1)}.mhd", np.full((6, 5, 4), 3, np.int16), AFFINE)
    with mirror(root, tmp_path / "zenodo") as (files, asked):
        (root / "subset1" / f"{uid(1, 0)}.raw").unlink()
        (root / "subset3" / f"{uid(3, 0)}.raw").write_bytes(b"cut short by another program")
        dataset = luna(root, files)
        wanted = ["annotations.csv", "seg-lungs-LUNA16.zip", "subset1.zip", "subset3.zip"]
        assert [download.filename for download in dataset.fetch_plan()] == wanted
        dataset.fetch(silent)
        assert len(asked) == 4
    assert all(row["ok"] for row in dataset.verify())


def test_a_damaged_header_is_fetched_again_and_verify_says_so(root: Path, tmp_path: Path) -> None:
    (root / "seg-lungs-LUNA16").mkdir()
    path = root / "subset1" / f"{uid(1, 0)}.mhd"
    with mirror(root, tmp_path / "zenodo") as (files, _):
        path.write_text(path.read_text().replace("DimSize", "Dim"))
        dataset = luna(root, files)
        assert [row["check"] for row in dataset.verify() if not row["ok"]] == ["volumes", path.name]
        assert "subset1.zip" in [download.filename for download in dataset.fetch_plan()]
        dataset.fetch(silent)
    assert all(row["ok"] for row in dataset.verify())
