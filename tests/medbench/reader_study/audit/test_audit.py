"""A sound packet passes; each of ten planted leaks is found."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest

from medbench.errors import DataError
from medbench.imaging.formats.nifti import write_nifti
from medbench.progress import silent
from medbench.reader_study.audit.audit import audit, audit_container, audit_voxels, require_blinded
from medbench.reader_study.create import CreateOptions, create
from medbench.reader_study.key import Key
from medbench.reader_study.packet import Packet


class Planted:
    """A packet of which the cases of ``beta`` can be changed, as if it had been created so."""

    def __init__(self, packet: Packet, key: Key) -> None:
        self.packet, self.key = packet, key
        self.beta = [case for case, origin in key.cases.items() if origin.model == "beta"]

    def in_file(self, offset: int, content: bytes) -> None:
        """Overwrite bytes of the unpacked file."""
        for case in self.beta:
            path, stamp = self.packet.case_path(case), self.packet.case_path(case).stat()
            plain = bytearray(gzip.decompress(path.read_bytes()))
            plain[offset : offset + len(content)] = content
            with path.open("wb") as file, gzip.GzipFile("", "wb", 0, file, mtime=0) as stream:
                stream.write(plain)
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    def in_voxels(self, change: Callable[[np.ndarray], np.ndarray], stored: bool = True) -> None:
        for case in self.beta:
            path, stamp = self.packet.case_path(case), self.packet.case_path(case).stat()
            volume = self.packet.volume(case)
            write_nifti(path, change(volume.voxels.copy()), volume.affine, stored=stored)
            os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

    def rename(self, name: dict[str, str]) -> None:
        """Give cases other names, everywhere."""
        cases = self.packet.path / "cases"
        for case in name:
            (cases / f"{case}.nii.gz").rename(cases / f"{case}.moved")
        for case, other in name.items():
            (cases / f"{case}.moved").rename(cases / f"{other}.nii.gz")
        text = (self.packet.path / "study.json").read_text()
        document = json.loads(text)
        document["checksums"] = {name.get(c, c): s for c, s in document["checksums"].items()}
        document["orders"] = [[name.get(c, c) for c in order] for order in document["orders"]]
        (self.packet.path / "study.json").write_text(json.dumps(document))
        self.key = self.key.model_copy(update={"cases": {name.get(c, c): o for c, o in self.key.cases.items()}})

    def opened(self) -> Packet:
        """Write the checksums of what lies there now."""
        packet = Packet.open(self.packet.path)
        checksums = {case: packet.checksum(case) for case in packet.study.checksums}
        return Packet(packet.path, packet.study.model_copy(update={"checksums": checksums}))


@pytest.fixture
def planted(created: tuple[Path, Path], tmp_path: Path) -> Planted:
    shutil.copytree(created[0], tmp_path / "packet")
    packet = Packet.open(tmp_path / "packet")
    return Planted(packet, Key.read(created[1], packet))


def header_byte(planted: Planted) -> None:
    planted.in_file(148, b"x")  # the first byte of descrip


def fifth_digit(planted: Planted) -> None:
    spacing = np.float32(planted.packet.study.spacing_mm[2] + 1e-5)
    planted.in_file(88, spacing.tobytes())


def compressed(planted: Planted) -> None:
    planted.in_voxels(lambda voxels: voxels, stored=False)


def file_order(planted: Planted) -> None:
    counted = [case for case in planted.packet.study.checksums if case.startswith("C")]
    by_source = sorted(counted, key=lambda case: (planted.key.cases[case].model, case))
    planted.rename(dict(zip(by_source, counted)))


def time_of_change(planted: Planted) -> None:
    for case in planted.beta:
        os.utime(planted.packet.case_path(case), ns=(0, 946_684_800_000_000_001))


def name_length(planted: Planted) -> None:
    planted.rename({case: f"C0{case[1:]}" for case in planted.beta if case.startswith("C")})


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (header_byte, "NIfTI header: descrip: not the same"),
        (fifth_digit, "NIfTI header: pixdim: not the same"),
        (compressed, "compression: not the same"),
        (file_order, "number in the name tells"),
        (time_of_change, "time of change: not the same"),
        (name_length, "length of the name: not the same"),
    ],
)
def test_a_leak_planted_in_the_container_is_found(
    planted: Planted, plant: Callable[[Planted], None], said: str
) -> None:
    plant(planted)
    packet = planted.opened()
    found = audit_container(packet, planted.key.sources())
    assert any(said in leak for leak in found.leaks), found.leaks
    assert found.auc is not None
    assert found.auc > 0.8
    with pytest.raises(DataError, match="gives its sources away"):
        require_blinded(packet, planted.key)


def background(voxels: np.ndarray) -> np.ndarray:
    return np.where(voxels < -980, -1000, voxels).astype(np.int16)


def comb(voxels: np.ndarray) -> np.ndarray:
    return (np.rint(voxels / 4) * 4).astype(np.int16)


def border_row(voxels: np.ndarray) -> np.ndarray:
    voxels[:, 0] = -500
    return voxels


@pytest.mark.parametrize(
    ("change", "said"),
    [(background, "lowest HU"), (comb, "share of odd HU"), (border_row, "jump at the first y border")],
)
def test_a_leak_planted_in_the_voxels_is_found(
    planted: Planted, change: Callable[[np.ndarray], np.ndarray], said: str
) -> None:
    planted.in_voxels(change)
    packet = planted.opened()
    found = audit_voxels(packet, planted.key, silent)
    assert any(leak.startswith(said) and "processing" in leak for leak in found.leaks), found.leaks
    assert found.auc is not None
    assert found.auc > 0.9
    assert audit_container(packet, planted.key.sources()).leaks == ()


def test_a_leak_planted_in_a_dicom_tag_is_found(volumes: Path, tmp_path: Path) -> None:
    asked = CreateOptions(
        runs=(volumes / "alpha", volumes / "beta"), out=tmp_path / "packet", key=tmp_path / "key", format="dicom"
    )
    planted = Planted(create(asked, silent), Key.read(tmp_path / "key", Packet.open(tmp_path / "packet")))
    assert audit_container(planted.packet, planted.key.sources()).leaks == ()
    for case in planted.beta:
        path = planted.packet.files(case)[7]
        slice_, stamp = pydicom.dcmread(path), path.stat()
        slice_.RescaleType = "US"
        slice_.save_as(path)
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    found = audit_container(planted.opened(), planted.key.sources())
    assert any("Rescale Type" in leak for leak in found.leaks), found.leaks


def test_a_sound_packet_passes(created: tuple[Path, Path]) -> None:
    packet = Packet.open(created[0])
    report = audit(packet, Key.read(created[1], packet), silent)
    assert report.ok
    assert report.container.leaks == ()
    assert report.container.auc is not None
    assert report.voxels.leaks == ()
