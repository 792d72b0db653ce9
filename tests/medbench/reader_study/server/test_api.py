"""What a reader's page can ask for, and what nobody can."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest

from medbench.imaging.volume import Volume
from medbench.reader_study.dicom import write_series
from medbench.reader_study.server import api
from medbench.reader_study.study import WINDOWS
from medbench.storage.files import sha256_once


def _kept(served, reader: str = "ann") -> dict[str, dict]:
    return {trial["id"]: trial for trial in served.ask("GET", "/api/study", reader=reader).json["trials"]}


def test_the_study_tells_a_reader_everything_but_the_sources(served) -> None:
    document = served.ask("GET", "/api/study").json
    assert document["reader"] == "ann"
    assert document["shape"] == [12, 10, 6]
    assert document["spacing"] == [1, 1, 2]
    assert [trial["id"] for trial in document["trials"]] == ["T001", "C001", "C002", "C003", "C004"]
    assert document["trials"][0]["training"]
    assert document["criteria"][0]["options"][0] == {"value": "real", "text": "a real scan of a patient"}
    assert document["windows"]["lung"] == {"centre": -600, "width": 1500}
    assert "checksums" not in json.dumps(document)
    assert served.ask("GET", "/api/study", reader="bob").json["trials"][1]["id"] == "C004", "an order of his own"


def test_pairs_have_two_cases_and_no_comment(pairs_packet, serve_packet) -> None:
    served = serve_packet(pairs_packet)
    document = served.ask("GET", "/api/study").json
    assert document["trials"][1]["cases"] == ["C001", "C002"]
    assert not document["comments"]
    assert served.ask("PATCH", "/api/trials/P001", body={"answers": {"choice": "left"}}).status == 200
    assert served.ask("PATCH", "/api/trials/P001", body={"comment": "no"}).status == 422
    assert "P001,C001,C002,left" in (pairs_packet.ratings / "ann.csv").read_text()


def test_slices_are_the_voxels_of_the_case(served) -> None:
    answer = served.ask("GET", "/api/cases/C002/slices/2/3")
    assert answer.headers["content-type"] == "application/octet-stream"
    voxels = Volume.read(served.packet.case_path("C002")).voxels
    assert answer.body == voxels[:, :, 2:5].astype("<i2").tobytes(order="F")


@pytest.mark.parametrize(
    "slices", ["0/0", "0/7", "6/1", "5/2", "-1/2", "0/1e3", "0/٣", "0/" + "9" * 5000, "9" * 5000 + "/1", "a/b", "0/1/2"]
)
def test_slices_that_do_not_exist_are_not_found(served, slices: str) -> None:
    assert served.ask("GET", f"/api/cases/C001/slices/{slices}").status == 404


def test_every_case_gives_equal_headers(served) -> None:
    answers = [served.ask("GET", f"/api/cases/{case}/slices/0/6") for case in ("C001", "C002", "C003")]
    assert answers[0].headers == answers[1].headers == answers[2].headers
    assert not {"etag", "last-modified", "set-cookie"} & answers[0].headers.keys()


def test_answers_are_on_disk_before_they_are_confirmed(served) -> None:
    answer = served.ask("PATCH", "/api/trials/C003", body={"answers": {"realism": "synthetic"}, "comment": "seams, 2"})
    assert answer.json["answers"] == {"realism": "synthetic"}
    assert 'ann,C003,synthetic,,,,,"seams, 2",' in (served.packet.ratings / "ann.csv").read_text()
    again = served.ask("PATCH", "/api/trials/C003", body={"answers": {"anatomy": "2"}}).json
    assert again["answers"] == {"realism": "synthetic", "anatomy": "2"}
    assert again["comment"] == "seams, 2"
    assert _kept(served)["C003"]["version"] == again["version"]


def test_training_is_kept_apart(served) -> None:
    served.ask("PATCH", "/api/trials/T001", body={"answers": {"realism": "real"}})
    assert not (served.packet.ratings / "ann.csv").exists()
    assert _kept(served)["T001"]["answers"] == {"realism": "real"}


def test_opening_a_trial_tells_what_is_kept(served) -> None:
    kept = served.ask("PATCH", "/api/trials/C001", body={"answers": {"realism": "real"}}).json
    assert served.ask("POST", "/api/trials/C001/open").json == kept


@pytest.mark.parametrize("method", ["GET", "PATCH", "POST"])
@pytest.mark.parametrize(
    "token", ["", "Bearer", "Bearer ", "Bearer guess", "Basic guess", "bearer guess", "Bearer \xff"]
)
def test_without_a_link_there_is_nothing(served, method: str, token: str) -> None:
    addresses = {"GET": ["/api/study", "/api/cases/C001/slices/0/1"], "POST": ["/api/trials/C001/open"]}
    for address in addresses.get(method, ["/api/trials/C001"]):
        answer = served.ask(method, address, reader=None, headers={"authorization": token}, body={})
        assert answer.status == 401
        assert answer.json == {"error": api.NO_LINK}


def test_readers_see_nothing_of_each_other(served) -> None:
    served.ask("PATCH", "/api/trials/C001", body={"answers": {"realism": "real"}, "comment": "secret"})
    theirs = served.ask("GET", "/api/study", reader="bob")
    assert b"secret" not in theirs.body
    assert b"ann" not in theirs.body
    assert served.tokens["ann"].encode() not in theirs.body


@pytest.mark.parametrize(
    "address",
    [
        "/api/cases/../../key.json/slices/0/1",
        "/api/cases/..%2f..%2fkey/slices/0/1",
        "/api/cases/C001%00/slices/0/1",
        "/api/cases/c001/slices/0/1",
        "/api/trials/C999",
        "/api/trials/..",
        "/study/../study.json",
        "/study/..%2f..%2fapi.py",
        "/viewer/%2e%2e/page.py",
        "//etc/passwd",
        "/study.json",
        "/cases/C001.nii.gz",
        "/ratings/ann.csv",
        "/ratings/bob.csv",
        "/form.csv",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_nothing_but_the_study_can_be_reached(served, method: str, address: str) -> None:
    answer = served.ask(method, address, body={"answers": {}})
    assert answer.status in (404, 405)
    assert str(served.packet.path).encode() not in answer.body


@pytest.mark.parametrize(
    "change",
    [
        {"answers": {"realism": "perhaps"}},
        {"answers": {"nose": "3"}},
        {"answers": {"anatomy": "6"}},
        {"answers": {"seconds": "1"}},
        {"answers": {"reader": "bob"}},
        {"comment": "x" * 2001},
    ],
)
def test_edited_forms_are_answered_in_words(served, change: dict) -> None:
    answer = served.ask("PATCH", "/api/trials/C001", body=change)
    assert answer.status == 422
    assert answer.json["error"].startswith("C001: ")
    assert _kept(served)["C001"]["answers"] == {}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"answers": 3}',
        b'{"answers": {"realism": 1}}',
        b'{"comment": ["a"]}',
        b'{"seconds": 1}',
        b'{"reader": "bob"}',
        b'{"comment": "\xff"}',
        b'{"comment": "\\ud800"}',
        b"[" * 30_000,
        b'{"answers": ' * 2000,
    ],
)
def test_malformed_requests_are_refused(served, raw: bytes) -> None:
    answer = served.ask("PATCH", "/api/trials/C001", raw=raw)
    assert answer.status in (400, 422)
    assert "error" in answer.json
    assert _kept(served)["C001"]["answers"] == {}


def test_a_comment_can_hold_anything_and_stays_one_row(served) -> None:
    said = "=1+1\n\"'; ,\0 ünïcode 肺 \u202e <b>"
    served.ask("PATCH", "/api/trials/C001", body={"comment": said})
    served.ask("PATCH", "/api/trials/C002", body={"comment": "-2"})
    kept = _kept(served)
    assert kept["C001"]["comment"].startswith("=1+1 \"'; , ünïcode 肺")
    assert kept["C002"]["comment"] == "-2"
    assert len((served.packet.ratings / "ann.csv").read_text(encoding="utf-8").splitlines()) == 3


def test_a_full_disk_is_told_and_nothing_stored_is_lost(served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.ask("PATCH", "/api/trials/C001", body={"answers": {"realism": "real"}})
    write = Path.write_text

    def full(self: Path, text: str, **options: object) -> int:
        if "ratings" in self.parts:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(self, text, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        answer = served.ask("PATCH", "/api/trials/C001", body={"answers": {"realism": "synthetic"}})
        assert answer.status == 507
        assert answer.json == {"error": api.NOT_KEPT}
        assert _kept(served)["C001"]["answers"] == {"realism": "real"}
    assert served.ask("PATCH", "/api/trials/C001", body={"answers": {"realism": "synthetic"}}).status == 200
    assert _kept(served)["C001"]["answers"] == {"realism": "synthetic"}


def test_a_table_edited_by_hand_is_told_and_left_alone(served) -> None:
    served.ask("PATCH", "/api/trials/C001", body={"answers": {"realism": "real"}})
    table = served.packet.ratings / "ann.csv"
    table.write_text(table.read_text().replace("C001", "C9"))
    for answer in (served.ask("GET", "/api/study"), served.ask("PATCH", "/api/trials/C002", body={})):
        assert answer.status == 409
        assert answer.json == {"error": api.NOT_READ}
    assert "C9" in table.read_text()


def test_a_case_that_changed_after_its_creation_is_not_shown(served, caplog: pytest.LogCaptureFixture) -> None:
    file = served.packet.case_path("C001")
    data = bytearray(file.read_bytes())
    data[-20] ^= 1
    file.write_bytes(bytes(data))
    answer = served.ask("GET", "/api/cases/C001/slices/0/1")
    assert answer.status == 409
    assert answer.json == {"error": api.NOT_SHOWN}
    assert "C001.nii.gz is not the file that was created" in caplog.text
    file.unlink()
    assert served.ask("GET", "/api/cases/C001/slices/0/1").status == 409
    assert served.ask("GET", "/api/cases/C002/slices/0/1").status == 200


def test_a_case_of_another_shape_than_the_study_says_is_not_shown(packet_of, serve_packet) -> None:
    served = serve_packet(packet_of(shape=[12, 10, 5]))
    assert served.ask("GET", "/api/cases/C001/slices/0/1").status == 409


def test_a_dicom_case_gives_the_same_slices(packet_of, serve_packet) -> None:
    packet = packet_of()
    before = serve_packet(packet).ask("GET", "/api/cases/C001/slices/0/6").body
    checksums = {}
    for case in packet.study.checksums:
        folder = packet.path / "cases" / case
        voxels = packet.volume(case).voxels
        write_series(folder, voxels, spacing_mm=packet.study.spacing_mm, name=case, window=WINDOWS[0])
        checksums[case] = sha256_once(folder, sorted(folder.iterdir()))
    served = serve_packet(packet_of(format="dicom", checksums=checksums))
    assert served.ask("GET", "/api/cases/C001/slices/0/6").body == before
    (served.packet.path / "cases" / "C002" / "0003.dcm").unlink()
    assert served.ask("GET", "/api/cases/C002/slices/0/6").status == 409


def test_a_case_in_use_stays_as_it_was_verified(served) -> None:
    before = served.ask("GET", "/api/cases/C001/slices/0/6").body
    served.packet.case_path("C001").write_bytes(b"")
    assert served.ask("GET", "/api/cases/C001/slices/0/6").body == before
    assert np.frombuffer(before, "<i2").size == 12 * 10 * 6
