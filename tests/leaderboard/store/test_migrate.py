"""The steps of the schema lead to the tables that the code knows, and stop before what they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import ScalarSelect, select, text

from leaderboard.store import migrate
from leaderboard.store.engine import reading, writing
from leaderboard.store.entry import read_entry
from leaderboard.store.schema import documents, metadata, runs
from leaderboard.store.store import Store
from medbench.errors import DataError, StorageError


def select_run(name: str) -> ScalarSelect[str]:
    return select(runs.c.id).where(runs.c.run == name).scalar_subquery()


def test_the_steps_make_the_tables_of_the_schema(store: Store) -> None:
    with reading(store._engine) as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        assert migrate.revision(connection, "board") == migrate.HEAD


def test_the_newest_step_is_the_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == migrate.HEAD


def test_the_first_schema_is_brought_to_this_one_with_what_its_documents_hold(
    store: Store, store_address: str, save_run: Any, make_result: Any, replicates: Any
) -> None:
    sides = replicates([1.0, 1.1, 0.9, 1.0], [1.0, 1.0, 1.2, 0.8])
    known = make_result("mine", 1.0, replicates=sides, floor=0.5, floor_values=(0.4, 0.6), floor_counts="same")
    other = make_result("yours", 1.0, replicates=sides, floor=0.5, floor_values=(0.3, 0.7), floor_counts="carried")
    store.add([read_entry(save_run("a", known, other)), read_entry(save_run("b", known))])
    with writing(store._engine) as connection:
        for column in ("synthetic_units", "floor_values"):
            connection.execute(text(f"ALTER TABLE results DROP COLUMN {column}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        connection.execute(documents.update().where(documents.c.run_id == select_run("b")).values(content=b"damaged"))
    found = Store.open(store_address).track("toy/0")[1]
    names = {row["id"]: row["run"] for row in store.track("toy/0")[0]}
    floors = {(names[row["run_id"]], row["metric"]): row["floor_values"] for row in found}
    assert floors.pop(("a", "mine")).tolist() == [0.4, 0.6]
    assert floors == {("a", "yours"): None, ("b", "mine"): None}


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
