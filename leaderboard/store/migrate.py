"""A store's schema: which one it has, and the steps to this version's."""

from __future__ import annotations

from importlib import resources
from typing import Final

from sqlalchemy import Connection, inspect, text

from medbench.errors import DataError, StorageError

HEAD: Final = "0002"
"""The newest step of ``migrations/versions``."""

_LOCK: Final = 0x6D65_6462  # "medb": names the lock that writers of a PostgreSQL store pass through


def revision(connection: Connection, name: str) -> str | None:
    """Return a store's schema; None where it is empty.

    Args:
        connection: to the store.
        name: the store's, for messages.

    Raises:
        DataError: there are tables, but of something else.
    """
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        if found is not None and "runs" in tables:
            return str(found)
    if tables:
        raise DataError(f"{name} holds other tables and is no leaderboard: name another file or database")
    return None


def upgrade(connection: Connection, name: str) -> None:
    """Bring a store to this version's schema, within the transaction that is open; others wait.

    Args:
        connection: to the store.
        name: the store's, for messages.

    Raises:
        StorageError: a newer program wrote the store.
        DataError: it is no leaderboard.
    """
    hold(connection)
    found = revision(connection, name)
    if found == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    folder = str(resources.files("leaderboard.store") / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    steps = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in steps:
        newer = f"schema {found}, this one knows {HEAD}"
        raise StorageError(f"{name} was written by a newer medbench ({newer}): update medbench")
    command.upgrade(config, "head")


def hold(connection: Connection) -> None:
    """Wait for other writers, and let none in before the transaction ends; on SQLite its beginning has done so."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
