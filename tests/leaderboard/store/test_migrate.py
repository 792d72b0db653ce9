"""The steps of the schema lead to the tables that the code knows, and stop before what they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from leaderboard.store import migrate
from leaderboard.store.engine import reading, writing
from leaderboard.store.schema import metadata
from leaderboard.store.store import Store
from medbench.errors import DataError, StorageError


def test_the_steps_make_the_tables_of_the_schema(store: Store) -> None:
    with reading(store._engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert migrate.revision(connection, "board") == migrate.HEAD


def test_the_newest_step_is_the_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


def test_a_newer_store_is_left_as_it_is(store: Store, store_address: str, run_of: Any) -> None:
    with writing(store._engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match=r"board\S* was written by a newer medbench \(schema 9999, this one knows"):
        Store.open(store_address, create=True)
    with reading(store._engine) as connection:
        assert migrate.revision(connection, "board") == "9999"


def test_tables_of_something_else_are_not_touched(store_address: str) -> None:
    from leaderboard.store.engine import connect, store_url

    engine = connect(store_url(store_address), create=True)
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE patients (name TEXT)"))
    with pytest.raises(DataError, match="holds other tables and is no leaderboard"):
        Store.open(store_address, create=True)
