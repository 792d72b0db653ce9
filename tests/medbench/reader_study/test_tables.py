from __future__ import annotations

from pathlib import Path

import pytest

from medbench.errors import DataError, SpecError
from medbench.reader_study.packet import Packet
from medbench.reader_study.tables import Rating, checked, form_text, read_table, reader_name, table_text

HEAD = "reader,case,realism,confidence,anatomy,image_quality,diagnostic_quality,comment,seconds\n"


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "-a", "é", "a" * 41, "a\0", "=a"])
def test_names_of_readers_that_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match="no reader's name"):
        reader_name(name)


def test_a_table_reads_back(packet_of, tmp_path: Path) -> None:
    study = packet_of().study
    given = {
        "C001": Rating("C001", {"realism": "real", "anatomy": "4"}, 'vessels, "odd"', 12.5),
        "C002": Rating("C002", {}, "=HYPERLINK(1)", None),
        "C003": Rating("C003", {}, "", 0.0),
    }
    (tmp_path / "a.csv").write_text(table_text(study, {"ada": given}), encoding="utf-8")
    assert read_table(tmp_path / "a.csv", study) == {"ada": given}
    assert "'=HYPERLINK" in (tmp_path / "a.csv").read_text()


@pytest.mark.parametrize("sign", "=+-@")
def test_no_comment_becomes_a_formula(packet_of, sign: str) -> None:
    study = packet_of().study
    cells = table_text(study, {"ada": {"C001": Rating("C001", comment=f"{sign}1+1")}}).splitlines()[1].split(",")
    assert cells[7] == f"'{sign}1+1"


def test_the_form_lists_what_counts_and_reads_back_as_untouched(packet_of, tmp_path: Path) -> None:
    study = packet_of().study
    (tmp_path / "form.csv").write_text(form_text(study))
    assert [line.split(",")[1] for line in form_text(study).splitlines()[1:]] == ["C001", "C002", "C003", "C004"]
    assert read_table(tmp_path / "form.csv", study) == {}


def test_the_form_of_pairs(pairs_packet: Packet) -> None:
    assert (
        form_text(pairs_packet.study) == "reader,pair,left,right,choice,seconds\n,P001,C001,C002,,\n,P002,C003,C004,,\n"
    )


@pytest.mark.parametrize(
    "text", [HEAD.replace(",", ";") + "Ada;C001;Real;5;;;;;\r\n", "\ufeff" + HEAD + "ada,C001,real, 5,,,,,"]
)
def test_tables_as_spreadsheets_save_them(packet_of, tmp_path: Path, text: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    found = read_table(tmp_path / "a.csv", packet_of().study)
    assert found == {"ada": {"C001": Rating("C001", {"realism": "real", "confidence": "5"})}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("reader,case\n", "line 1: the columns must be"),
        ("", "line 1: the columns must be"),
        (HEAD + "ada,C009,real,,,,,,\n", "line 2: 'C009' is none of the study's cases"),
        (HEAD + "ada,C001,fake,,,,,,\n", "line 2: C001: 'fake' is no answer to realism: choose from real, synthetic"),
        (HEAD + "ada,C001,,9,,,,,\n", "'9' is no answer to confidence"),
        (HEAD + "ada,C001,real,,,,,\n", "line 2: 8 cells in place of 9"),
        (HEAD + ",C001,real,,,,,,\n", "no reader"),
        (HEAD + "a b,C001,real,,,,,,\n", "no reader's name"),
        (HEAD + "ada,C001,real,,,,,,,\n", "line 2: 10 cells in place of 9"),
        (HEAD + "ada,C001,real,,,,,,soon\n", "'soon' is no time"),
        (HEAD + "ada,C001,real,,,,,,nan\n", "no time"),
        (HEAD + "ada,C001,real,,,,,,\nada,C001,real,,,,,,\n", "line 3: C001 is rated twice"),
    ],
)
def test_edited_tables_are_refused_by_line(packet_of, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError) as refusal:
        read_table(tmp_path / "a.csv", packet_of().study)
    assert str(refusal.value).startswith(f"{tmp_path / 'a.csv'} line ")
    assert said in str(refusal.value)


def test_tables_that_are_none(packet_of, tmp_path: Path) -> None:
    study = packet_of().study
    with pytest.raises(DataError, match="does not exist"):
        read_table(tmp_path / "a.csv", study)
    (tmp_path / "a.csv").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(DataError, match="UTF-8"):
        read_table(tmp_path / "a.csv", study)


def test_sides_that_were_exchanged(pairs_packet: Packet, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("reader,pair,left,right,choice,seconds\nada,P001,C002,C001,left,\n")
    with pytest.raises(DataError, match="P001 shows C001 on the left"):
        read_table(tmp_path / "a.csv", pairs_packet.study)


def test_a_comment_stays_on_one_line_and_within_bounds(packet_of) -> None:
    study = packet_of().study
    assert checked(study, Rating("C001", comment="a\n\tb\0c \ud800")).comment == "a b c"
    with pytest.raises(DataError, match="2001 characters"):
        checked(study, Rating("C001", comment="x" * 2001))
