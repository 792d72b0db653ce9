from __future__ import annotations

import os

import numpy as np
import pytest

from medbench.errors import DataError
from medbench.reader_study.packet import Packet


def test_a_packet_hands_out_its_cases(packet_of) -> None:
    packet = packet_of()
    packet.verify()
    volume = packet.volume("C002")
    assert volume.voxels.dtype == np.int16
    assert volume.shape == (12, 10, 6)
    assert volume.spacing_mm == (1, 1, 2)
    assert len({path.stat().st_size for case in packet.study.checksums for path in packet.files(case)}) == 1


def test_a_folder_that_is_no_packet(packet_of, tmp_path) -> None:
    with pytest.raises(DataError, match=r"is no packet .*medbench study create"):
        Packet.open(tmp_path)
    packet = packet_of()
    (packet.path / "study.json").write_text("{}")
    with pytest.raises(DataError, match="no description of a study"):
        Packet.open(packet.path)


@pytest.mark.parametrize("case", ["C009", "../study.json", ""])
def test_a_case_that_it_does_not_have(packet_of, case: str) -> None:
    with pytest.raises(DataError, match="has no case"):
        packet_of().volume(case)


def test_a_case_that_is_gone(packet_of) -> None:
    packet = packet_of()
    packet.case_path("C003").unlink()
    with pytest.raises(DataError, match=r"C003.nii.gz is in study.json but not on the disk"):
        Packet.open(packet.path)


def test_a_case_that_is_longer(packet_of) -> None:
    packet = packet_of()
    with packet.case_path("C003").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(DataError, match=r"C003.nii.gz is not the file"):
        packet.verify()


def test_a_case_that_was_changed(packet_of) -> None:
    packet = packet_of()
    path = packet.case_path("C003")
    stamp = path.stat().st_mtime_ns
    content = bytearray(path.read_bytes())
    content[500] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(stamp, stamp + 1))
    assert Packet.open(packet.path)
    with pytest.raises(DataError, match=r"C003.nii.gz is not the file that was created"):
        packet.verify()
    with pytest.raises(DataError, match="C003"):
        packet.volume("C003")
