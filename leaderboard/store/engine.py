"""A connection to SQLite or PostgreSQL, and what can go wrong with one, in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.pool import NullPool

from medbench.errors import DataError, MissingExtraError, SpecError, StorageError
from medbench.extras import missing
from medbench.storage.files import make_folder
from medbench.storage.home import home

PATIENCE_S: Final = 60.0
"""How long a writer waits for the others."""

_ANSWER_S: Final = 10
_MENDS: Final = (
    (r"database is locked|lock timeout", "is locked by another program: end that one, or wait until it is done"),
    (r"readonly|read-only|permission denied for", "is read-only: ask for the right to write, or name another store"),
    (r"not a database|malformed|disk image", "is no leaderboard, or damaged: restore a copy, or name another store"),
    (r"unable to open", "cannot be opened: the folder is absent or forbidden"),
    (r"disk is full|database or disk|No space", "cannot be written: the disk is full"),
    (r"authentication failed|no password", "refuses the name or password: mend the URL"),
    (r'database "[^"]*" does not exist', "has no such database: create it, or mend the URL"),
)


def store_url(asked: str | None) -> URL:
    """Return a store's address: a URL, the path of an SQLite file, or the default in ``MEDBENCH_HOME`` for None.

    Raises:
        SpecError: no such kind of store.
    """
    if asked is None:
        return URL.create("sqlite", database=str(home() / "leaderboard.sqlite"))
    if "://" not in asked:
        return URL.create("sqlite", database=str(Path(asked).expanduser()))
    try:
        url = make_url(asked)
    except (exc.ArgumentError, ValueError) as error:
        raise SpecError("--leaderboard is no URL: write sqlite:///FILE or postgresql://USER@HOST/NAME") from error
    kind = url.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if kind != "sqlite" or not url.database:
        raise SpecError(
            f"a leaderboard lies in SQLite or PostgreSQL, not in {kind}: write sqlite:///FILE or postgresql://.."
        )
    return url


def told(url: URL) -> str:
    """Return a store's name for people: the file, or the URL without its password."""
    if url.drivername == "sqlite":
        return str(url.database)
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def connect(url: URL, *, create: bool) -> Engine:
    """Return an engine; nothing is asked of the store yet.

    Args:
        url: of ``store_url``.
        create: make the folder of an SQLite file that is not there.

    Raises:
        DataError: no such file.
        MissingExtraError: the PostgreSQL driver is absent.
    """
    if url.drivername == "sqlite":
        file = Path(str(url.database))
        if create:
            make_folder(file.parent)
        elif not file.is_file():
            raise DataError(
                f"{file} does not exist: 'medbench run' or 'medbench leaderboard add RUN' begins a leaderboard"
            )
        engine = _engine(url, {"timeout": PATIENCE_S})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if lack := missing("postgres", "PostgreSQL"):
        raise MissingExtraError(lack)
    options = f"-c lock_timeout={PATIENCE_S:.0f}s"
    return _engine(url, {"connect_timeout": _ANSWER_S, "options": options})


def _engine(url: URL, asked: dict[str, Any]) -> Engine:
    return create_engine(url, poolclass=NullPool, connect_args=asked, json_deserializer=_from_json)


@lru_cache(maxsize=4096)
def _from_json(text: str) -> Any:
    """Return what a column holds: the same lists in thousands of rows are read once. Nobody changes them."""
    return json.loads(text)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection that sees one state of the store throughout."""
    one_moment = {} if engine.dialect.name == "sqlite" else {"isolation_level": "REPEATABLE READ"}
    with in_words(engine.url), engine.execution_options(**one_moment).connect() as connection, connection.begin():
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection whose work is kept whole, or not at all where the block raises."""
    with in_words(engine.url), engine.execution_options(writes=True).connect() as connection, connection.begin():
        yield connection


@contextmanager
def in_words(url: URL) -> Iterator[None]:
    """Turn what a database says into one line that names the store and the mend.

    Raises:
        StorageError: locked, read-only, full, damaged, something else, or it does not answer.
    """
    try:
        yield
    except exc.DBAPIError as error:
        said = " ".join(str(error.orig).split())
        for pattern, words in _MENDS:
            if re.search(pattern, said, re.IGNORECASE):
                raise StorageError(f"{told(url)} {words}") from error
        if isinstance(error, exc.OperationalError):
            raise StorageError(
                f"{told(url)} does not answer ({said[:200]}): is the server there, and the URL right?"
            ) from error
        raise StorageError(f"{told(url)} refused ({said[:200]})") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says, not where the driver guesses
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # A writer that begins as a reader and then finds another one writing could only give up.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
