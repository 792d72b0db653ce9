from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.errors import DataError, SpecError, StorageError
from medbench.imaging.volume import Volume
from medbench.progress import silent
from medbench.reader_study import create as module
from medbench.reader_study.audit.audit import audit
from medbench.reader_study.create import CreateOptions, create
from medbench.reader_study.key import Key
from medbench.reader_study.packet import Packet


def options(volumes: Path, folder: Path, **changes: object) -> CreateOptions:
    asked = {"runs": (volumes / "alpha", volumes / "beta"), "per_model": 4, "training": 1, "readers": 2}
    return CreateOptions(**{**asked, "out": folder / "packet", "key": folder / "key.json", **changes})  # type: ignore[arg-type]


def test_a_packet_has_what_the_contract_says(created: tuple[Path, Path]) -> None:
    folder, key = created
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.html",
        "cases",
        "form.csv",
        "ratings",
        "study.json",
    ]
    packet = Packet.open(folder)
    packet.verify()
    assert packet.study.cases == 20
    assert len(list((folder / "cases").iterdir())) == 22
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_nothing_but_voxels_differs_between_cases(created: tuple[Path, Path]) -> None:
    packet = Packet.open(created[0])
    stats = [path.stat() for path in sorted((created[0] / "cases").iterdir())]
    assert len({one.st_size for one in stats}) == 1
    assert len({one.st_mtime_ns for one in stats}) == 1
    volumes = [packet.volume(case) for case in packet.study.checksums]
    assert len({volume.affine.tobytes() for volume in volumes}) == 1
    assert {volume.shape for volume in volumes} == {packet.study.shape}


def test_no_source_seed_or_run_stands_in_the_packet(created: tuple[Path, Path], volumes: Path) -> None:
    texts = [path.read_bytes() for path in created[0].rglob("*") if path.is_file()]
    for word in (b"alpha", b"beta", b"seed", str(volumes).encode(), b".nii.gz\x00"):
        assert not any(word in text for text in texts), word


def test_the_key_names_the_origin_of_every_case(created: tuple[Path, Path], volumes: Path) -> None:
    packet = Packet.open(created[0])
    key = Key.read(created[1], packet)
    for case, origin in key.cases.items():
        original = Volume.read(origin.file)
        assert origin.model in origin.file
        np.testing.assert_array_equal(packet.volume(case).voxels, original.voxels)


def test_two_packets_of_one_seed_show_the_same_cases_in_other_orders(volumes: Path, tmp_path: Path) -> None:
    keys, studies = [], []
    for name in ("one", "two"):
        packet = create(options(volumes, tmp_path / name), silent)
        keys.append(Key.read(tmp_path / name / "key.json", packet))
        studies.append(packet.study)
    counted = [{origin.file for case, origin in key.cases.items() if case.startswith("C")} for key in keys]
    assert counted[0] == counted[1]
    assert keys[0].nonce != keys[1].nonce
    assert studies[0].orders != studies[1].orders


def test_dicom_pairs_with_repeats(volumes: Path, tmp_path: Path) -> None:
    asked = options(
        volumes, tmp_path, design="2afc", format="dicom", repeats=2, shape=(12, 12, 6), spacing_mm=(14, 14, 17)
    )
    packet = create(asked, silent)
    packet.verify()
    assert packet.study.design == "2afc"
    assert len(packet.study.pairs) == 4 + 2 + 1
    assert packet.study.cases == 8
    assert packet.volume("C001").shape == (12, 12, 6)


def test_what_it_takes_on_disk_is_said_first(volumes: Path, tmp_path: Path, noting: Any) -> None:
    told = noting()
    create(options(volumes, tmp_path), told)
    assert "9 cases of 24 x 24 x 12 voxels" in told.notes[0]
    assert "on disk" in told.notes[0]


def test_a_disk_that_is_too_small(volumes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    with pytest.raises(StorageError, match="the packet takes"):
        create(options(volumes, tmp_path), silent)
    assert not (tmp_path / "packet").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"criteria": "2afc"}, "for design 2afc"),
        ({"per_model": 13}, "volumes of"),
        ({"hu_range": (1, 0)}, "is empty"),
        ({"criteria": "absent.toml"}, "no such file"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    volumes: Path, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        create(options(volumes, tmp_path, **changes), silent)
    assert list(tmp_path.iterdir()) == []


def test_key_and_packet_never_overwrite_or_meet(volumes: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="lies inside the packet"):
        create(options(volumes, tmp_path, key=tmp_path / "packet" / "key.json"), silent)
    (tmp_path / "key.json").write_text("precious")
    with pytest.raises(SpecError, match="exists: choose another name"):
        create(options(volumes, tmp_path), silent)
    assert (tmp_path / "key.json").read_text() == "precious"


def test_a_packet_that_gives_itself_away_is_not_finished(
    volumes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = module._write_case

    def leaky(packet: Packet, name: str, voxels: np.ndarray, convention: module.Convention) -> None:
        write(packet, name, voxels, convention)
        if name == "C003":
            packet.case_path(name).chmod(0o640)

    monkeypatch.setattr(module, "_write_case", leaky)
    with pytest.raises(DataError, match="permissions: not the same in every case"):
        create(options(volumes, tmp_path), silent)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_volume_leaves_nothing_behind(volumes: Path, tmp_path: Path) -> None:
    shutil.copytree(volumes, tmp_path / "volumes")
    for path in (tmp_path / "volumes" / "beta").iterdir():
        path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="truncated or damaged"):
        create(options(tmp_path / "volumes", tmp_path / "out"), silent)
    assert list((tmp_path / "out").iterdir()) == []


def test_the_description_is_plain_json(created: tuple[Path, Path]) -> None:
    document = json.loads((created[0] / "study.json").read_text())
    assert document["schema"] == 1
    assert document["design"] == "rating"
    assert {"criteria", "cases", "windows", "commitment"} <= document.keys()


def test_one_model_may_be_read_alone(volumes: Path, tmp_path: Path) -> None:
    packet = create(options(volumes, tmp_path, runs=(volumes / "alpha",)), silent)
    report = audit(packet, Key.read(tmp_path / "key.json", packet), silent)
    assert report.ok
    assert (report.container.auc, report.voxels.auc, report.voxels.leaks) == (None, None, ())
