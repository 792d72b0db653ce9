from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from medbench.errors import DataError
from medbench.reader_study.key import Key, commitment, nonce
from medbench.reader_study.packet import Packet


def test_the_key_opens_its_packet(created: tuple[Path, Path]) -> None:
    packet = Packet.open(created[0])
    key = Key.read(created[1], packet)
    assert key.cases.keys() == packet.study.checksums.keys()
    assert sorted(set(key.sources().values())) == ["alpha", "beta"]
    assert commitment(created[1].read_bytes()) == packet.study.commitment


def test_nonces_have_128_bits_and_never_repeat() -> None:
    found = {nonce() for _ in range(100)}
    assert len(found) == 100
    assert {len(bytes.fromhex(one)) for one in found} == {16}


def test_a_key_that_was_edited_or_is_another_s(created: tuple[Path, Path], tmp_path: Path) -> None:
    packet = Packet.open(created[0])
    document = json.loads(created[1].read_text())
    first, *_, last = document["cases"]
    document["cases"][first], document["cases"][last] = document["cases"][last], document["cases"][first]
    (tmp_path / "key").write_text(json.dumps(document, indent=2))
    with pytest.raises(DataError, match="is not the key of"):
        Key.read(tmp_path / "key", packet)
    with pytest.raises(DataError, match="cannot be read"):
        Key.read(tmp_path / "absent", packet)


def test_a_description_that_was_edited(created: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(created[0], tmp_path / "packet")
    file = tmp_path / "packet" / "study.json"
    document = json.loads(file.read_text())
    document["criteria"][0]["question"] = "Another one?"
    file.write_text(json.dumps(document))
    with pytest.raises(DataError, match=r"study\.json was changed after"):
        Key.read(created[1], Packet.open(tmp_path / "packet"))


def test_a_file_that_matches_and_is_no_key(packet_of, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("{}")
    packet = packet_of(commitment=commitment(b"{}"))
    with pytest.raises(DataError, match="is no key"):
        Key.read(tmp_path / "key", packet)
