from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from medbench.errors import DataError
from medbench.progress import silent
from medbench.reader_study.packet import Packet
from medbench.reader_study.ratings import Ratings
from medbench.reader_study.score.score import open_study, reader_table, score
from medbench.reader_study.tables import Rating


def test_the_document_is_the_contract_s(rating_study) -> None:
    found = score(rating_study({"real": 0.8, "a": 0.0}, readers=3, cases=6, seed=0, repeats=3))
    document = json.loads(json.dumps(found.document(), allow_nan=False))
    assert document["readers"] == ["reader-0", "reader-1", "reader-2"]
    assert document["cases"] == 12
    for of_model in document["criteria"].values():
        assert of_model.keys() == {"real", "a"}
        assert all({"n", "mean", "median", "iqr", "share", "ci95"} <= one.keys() for one in of_model.values())
    assert all({"criterion", "a", "b", "p_value", "p_adjusted", "test"} <= test.keys() for test in document["tests"])
    assert all({"alpha", "kappa"} <= one.keys() for one in document["agreement"].values())


def test_a_forced_choice_has_the_same_document(choice_study) -> None:
    found = score(choice_study(0.7, readers=3, pairs=20, seed=0))
    assert list(found.criteria) == ["choice"]
    assert list(found.criteria["choice"]) == ["a"]
    assert [test.a for test in found.tests] == ["real"]


def test_few_readers_are_said_to_be_few(rating_study) -> None:
    notes = [score(rating_study({"real": 0.5, "a": 0}, readers=n, cases=4, seed=0)).notes for n in (1, 4, 5)]
    assert "nothing can be said about readers in general" in notes[0][0]
    assert "only roughly" in notes[1][0]
    assert notes[2] == ()


def test_each_reader_s_leaning_is_shown(rating_study) -> None:
    table = reader_table(rating_study({"real": 1.5, "a": -1.5}, readers=2, cases=10, seed=0))
    assert list(table["trials"]) == [20, 20]
    assert list(table["median_seconds"]) == [30.0, 30.0]
    assert table["real_called_real"].min() > 0.5
    assert table["synthetic_called_synthetic"].min() > 0.5


@pytest.fixture
def read(created: tuple[Path, Path], tmp_path: Path) -> tuple[Path, Path]:
    """A packet with one reader's ratings."""
    shutil.copytree(created[0], tmp_path / "packet")
    packet = Packet.open(tmp_path / "packet")
    for trial in packet.study.order(0):
        Ratings(packet).save("ada", Rating(trial.id, {"realism": "real", "anatomy": "3"}, "", 5.0))
    return tmp_path / "packet", created[1]


def test_a_study_is_opened_with_its_key(read: tuple[Path, Path]) -> None:
    assert score(open_study(*read, [], silent)).cases == 20


def test_a_packet_that_was_changed_after_creation_is_not_scored(read: tuple[Path, Path]) -> None:
    with (read[0] / "cases" / "C005.nii.gz").open("r+b") as file:
        file.seek(5000)
        file.write(b"\x07")
    with pytest.raises(DataError, match=r"C005\.nii\.gz is not the file that was created"):
        open_study(*read, [], silent)


def test_an_edited_table_of_ratings_is_refused_by_line(read: tuple[Path, Path]) -> None:
    table = read[0] / "ratings" / "ada.csv"
    table.write_text(table.read_text().replace("C003", "C999"))
    with pytest.raises(DataError, match=r"ada\.csv line 4: 'C999' is none of the study's cases"):
        open_study(*read, [], silent)
