from __future__ import annotations

from pathlib import Path

import pytest

from medbench.errors import DataError
from medbench.reader_study.key import Key, Origin
from medbench.reader_study.packet import Packet
from medbench.reader_study.ratings import Ratings
from medbench.reader_study.score.unblind import collect, unblind
from medbench.reader_study.tables import Rating, form_text


def test_ratings_meet_their_sources(created: tuple[Path, Path]) -> None:
    packet = Packet.open(created[0])
    key = Key.read(created[1], packet)
    found = unblind(packet, key, {"ada": {"C001": Rating("C001", {"realism": "real", "anatomy": "4"}, "odd", 9.0)}})
    (row,) = found.table.to_dict("records")
    assert row["model"] == key.cases["C001"].model
    assert (row["realism"], row["anatomy"], row["seconds"], row["comment"]) == (1.0, 4.0, 9.0, "odd")
    assert found.notes == ("ada has answered 0 of 20 trials in full; what is there counts",)


def test_no_comment_becomes_a_formula_in_the_tables(packet_of) -> None:
    packet = packet_of()
    origins = {case: Origin(model="a", file=case, sha256="0" * 64) for case in packet.study.checksums}
    key = Key(nonce="0" * 32, study="0" * 64, seed=0, cases=origins)
    found = unblind(packet, key, {"ada": {"C001": Rating("C001", {"realism": "real"}, "=1+1")}})
    assert found.table["comment"].tolist() == ["'=1+1"]


def test_training_and_untouched_rows_do_not_count(packet_of, tmp_path: Path) -> None:
    packet = packet_of()
    ratings = Ratings(packet)
    ratings.save("ada", Rating("T001", {"realism": "real"}))
    with pytest.raises(DataError, match="nothing is rated yet"):
        collect(packet, [])
    ratings.save("ada", Rating("C001", {"realism": "real"}))
    assert collect(packet, []) == {"ada": {"C001": Rating("C001", {"realism": "real"})}}
    (tmp_path / "form.csv").write_text(form_text(packet.study))
    with pytest.raises(DataError, match=r"form\.csv: nothing is rated yet"):
        collect(packet, [tmp_path / "form.csv"])


def test_a_trial_rated_in_two_tables(packet_of, tmp_path: Path) -> None:
    packet = packet_of()
    Ratings(packet).save("ada", Rating("C001", {"realism": "real"}))
    stored = Ratings(packet).file("ada")
    (tmp_path / "again.csv").write_text(stored.read_text())
    with pytest.raises(DataError, match="'ada' has rated C001 in another table"):
        collect(packet, [stored, tmp_path / "again.csv"])


def test_the_side_of_a_pair_does_not_matter(choice_study) -> None:
    found = choice_study(1.0, readers=1, pairs=10, seed=0)
    assert set(found.table["left"]) == {"real", "a"}
    assert set(found.table["choice"]) == {1.0}
    assert set(found.table["first"]) == {"real"}
    assert found.models == ["a"]
