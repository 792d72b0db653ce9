"""What a store says where it cannot be had: one line with its name and the mend, and no password."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from leaderboard.store import engine as engines
from leaderboard.store.engine import store_url, told, writing
from leaderboard.store.entry import read_entry
from leaderboard.store.store import Store
from medbench.errors import DataError, MissingExtraError, SpecError, StorageError
from medbench.storage.home import home


@pytest.mark.parametrize(
    ("asked", "kind", "name"),
    [
        ("a/board.sqlite", "sqlite", "a/board.sqlite"),
        ("sqlite:///b.sqlite", "sqlite", "b.sqlite"),
        ("postgresql://ann:secret@db/boards", "postgresql+psycopg", "postgresql://ann:***@db/boards"),
        ("postgres://db/boards", "postgresql+psycopg", "postgresql://db/boards"),
    ],
)
def test_addresses(asked: str, kind: str, name: str) -> None:
    url = store_url(asked)
    assert (url.drivername, told(url)) == (kind, name)


def test_the_default_lies_in_the_home_of_medbench() -> None:
    assert told(store_url(None)) == str(home() / "leaderboard.sqlite")


@pytest.mark.parametrize("asked", ["mysql://db/boards", "://", "sqlite://", "http://example.org/board"])
def test_other_kinds_are_refused(asked: str) -> None:
    with pytest.raises(SpecError, match=r"write sqlite:///FILE or postgresql://"):
        store_url(asked)


def test_a_store_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"board\.sqlite does not exist: 'medbench run' or"):
        Store.open(str(tmp_path / "board.sqlite"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to be read as a header" * 20, b"\x00" * 4096]
)
def test_another_file_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "board.sqlite"
    file.write_bytes(content)
    with pytest.raises(StorageError, match=r"board\.sqlite is no leaderboard"):
        Store.open(str(file), create=True)
    assert file.read_bytes() == content


def test_a_locked_store_is_waited_for_and_then_named(
    tmp_path: Path, run_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "PATIENCE_S", 0.1)
    address = str(tmp_path / "board.sqlite")
    store, entry = Store.open(address, create=True), read_entry(run_of("a"))
    other = sqlite3.connect(address, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match=r"board\.sqlite is locked by another program"):
        store.add([entry])
    other.execute("ROLLBACK")
    other.close()
    assert store.add([entry]) == ["added"]


def test_a_read_only_store_is_shown_and_not_written(tmp_path: Path, run_of: Any) -> None:
    """As SQLite itself refuses it: root, too, may be the one who tests."""
    address = tmp_path / "board.sqlite"
    Store.open(str(address), create=True).add([read_entry(run_of("a"))])
    store = Store.open(str(address))
    event.listen(store._engine, "connect", lambda connection, _: connection.execute("PRAGMA query_only = ON"))
    assert len(store.track("toy/0")[0]) == 1
    with pytest.raises(StorageError, match=r"board\.sqlite is read-only: ask for the right to write"):
        store.add([read_entry(run_of("b"))])


def test_a_user_who_may_only_read_is_told(postgres: str, run_of: Any) -> None:
    store = Store.open(postgres, create=True)
    with writing(store._engine) as connection:
        connection.execute(text("DROP ROLE IF EXISTS guest"))
        connection.execute(text("CREATE ROLE guest LOGIN"))
        connection.execute(text("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guest"))
    guest = Store.open(postgres.replace("medbench@", "guest@"))
    assert guest.tracks() == []
    with pytest.raises(StorageError, match="is read-only: ask for the right to write"):
        guest.add([read_entry(run_of("a"))])


def test_a_server_that_does_not_answer_is_one_line_without_the_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StorageError, match=r"@127\.0\.0\.1.* does not answer .*is the server there") as told_:
        Store.open(f"postgresql://ann:secret@127.0.0.1:{port}/boards", create=True)
    assert "secret" not in str(told_.value)
    assert "\n" not in str(told_.value)


def test_a_database_that_is_not_there_is_named(postgres_server: str) -> None:
    with pytest.raises(StorageError, match=r"nothing_here has no such database"):
        Store.open(f"{postgres_server}/nothing_here", create=True)


def test_without_the_driver_there_is_a_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r'pip install "medbench\[postgres\]"'):
        Store.open("postgresql://db/boards", create=True)
