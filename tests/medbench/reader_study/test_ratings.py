from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from medbench.errors import DataError, SpecError, StorageError
from medbench.reader_study.packet import Packet
from medbench.reader_study.ratings import Ratings
from medbench.reader_study.tables import Rating


def test_a_rating_is_kept_and_taken_up_again(packet_of) -> None:
    packet = packet_of()
    Ratings(packet).save("Ada", Rating("C001", {"realism": "real"}, "odd", 3.0))
    Ratings(packet).save("ada", Rating("C001", {"anatomy": "2"}, "odd vessels", 2.0))
    found = Ratings(Packet.open(packet.path)).of("ADA")
    assert found == {"C001": Rating("C001", {"realism": "real", "anatomy": "2"}, "odd vessels", 3.0)}
    assert (packet.path / "ratings" / "ada.csv").read_text().splitlines()[1] == "ada,C001,real,,2,,,odd vessels,3.0"


def test_training_is_kept_apart(packet_of) -> None:
    ratings = Ratings(packet_of())
    ratings.save("ada", Rating("T001", {"realism": "real"}))
    assert list(ratings.of("ada")) == ["T001"]
    assert not ratings.file("ada").exists()


def test_every_reader_has_an_order_of_his_own_and_keeps_it(packet_of) -> None:
    packet = packet_of()
    ada, bob = Ratings(packet).order("ada"), Ratings(packet).order("bob")
    assert [trial.id for trial in ada] != [trial.id for trial in bob]
    assert Ratings(packet).order("bob") == bob
    assert Ratings(packet).order("Ada") == ada
    with pytest.raises(SpecError, match=r"has 2 orders and all are taken \(ada, bob\).*--readers"):
        Ratings(packet).order("eve")


def test_several_readers_and_windows_at_once_lose_nothing(packet_of) -> None:
    packet = packet_of()
    criteria = ("confidence", "anatomy", "image_quality", "diagnostic_quality")
    work = [(reader, case, name) for reader in ("ada", "bob") for case in ("C001", "C002") for name in criteria]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda job: Ratings(packet).save(job[0], Rating(job[1], {job[2]: "3"})), work))
    for reader in ("ada", "bob"):
        assert all(rating.answers == dict.fromkeys(criteria, "3") for rating in Ratings(packet).of(reader).values())
    assert Ratings(packet).readers() == ["ada", "bob"]


@pytest.mark.parametrize(
    "rating",
    [
        Rating("C009", {"realism": "real"}),
        Rating("C001", {"realism": "maybe"}),
        Rating("C001", {"x": "1"}),
        Rating("C001", {}, "", -1.0),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(packet_of, rating: Rating) -> None:
    ratings = Ratings(packet_of())
    ratings.save("ada", Rating("C001", {"realism": "real"}))
    with pytest.raises(DataError):
        ratings.save("ada", rating)
    assert ratings.of("ada") == {"C001": Rating("C001", {"realism": "real"})}


def test_a_reader_s_name_leads_nowhere_else(packet_of) -> None:
    ratings = Ratings(packet_of())
    for call in (ratings.of, ratings.order, lambda name: ratings.save(name, Rating("C001"))):
        with pytest.raises(SpecError):
            call("../../key")


def test_a_full_disk_harms_nothing_that_was_stored(packet_of, monkeypatch: pytest.MonkeyPatch) -> None:
    ratings = Ratings(packet_of())
    ratings.save("ada", Rating("C001", {"realism": "real"}))

    def full(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        with pytest.raises(StorageError, match="disk is full"):
            ratings.save("ada", Rating("C001", {"realism": "synthetic"}))
    assert ratings.of("ada")["C001"].answers == {"realism": "real"}


def test_a_table_of_another_reader_is_refused(packet_of) -> None:
    ratings = Ratings(packet_of())
    ratings.save("ada", Rating("C001", {"realism": "real"}))
    ratings.file("ada").rename(ratings.file("bob"))
    with pytest.raises(DataError, match="holds ratings of 'ada'"):
        ratings.of("bob")


@pytest.mark.parametrize("text", ["[", "[1]", '{"ada": 7}', '{"ada": 0, "bob": 0}', '{"../x": 0}'])
def test_a_damaged_list_of_places(packet_of, text: str) -> None:
    ratings = Ratings(packet_of())
    ratings.folder.mkdir()
    (ratings.folder / "orders.json").write_text(text)
    with pytest.raises(DataError, match=r"orders.json"):
        ratings.order("ada")
