"""The store of a board: runs come in whole or not at all, also from several programs at once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, RowMapping, delete, func, insert, select, update

from leaderboard.store import migrate
from leaderboard.store.engine import connect, reading, store_url, told, writing
from leaderboard.store.entry import Entry, packed, unpacked
from leaderboard.store.schema import documents, pictures, results, runs
from medbench.errors import DataError, SpecError

Added = Literal["added", "updated", "there"]
_SAME = 1e-6
"""Relative difference below which a value is the same: another number of threads may change the last digits."""


@dataclass(frozen=True)
class TrackRow:
    """A track of a store: how many runs it has, and of which models."""

    track: str
    dataset: str
    fingerprint: str
    rows: int
    models: tuple[str, ...]


class Store:
    """A store that is open.

    Args:
        engine: of ``leaderboard.store.engine.connect``.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.name = told(engine.url)

    @classmethod
    def open(cls, asked: str | None = None, *, create: bool = False) -> Store:
        """Open a store, and bring it to this version's schema where an older medbench wrote it.

        Args:
            asked: see ``store_url``.
            create: make it where it is not there.

        Raises:
            SpecError: no such kind of store.
            DataError: it does not exist, or is something else.
            StorageError: locked, read-only, newer than this program, or it does not answer.
        """
        store = cls(connect(store_url(asked), create=create))
        with reading(store._engine) as connection:
            found = migrate.revision(connection, store.name)
        if found != migrate.HEAD:
            with writing(store._engine) as connection:
                migrate.upgrade(connection, store.name)
        return store

    def add(self, entries: Sequence[Entry]) -> list[Added]:
        """Add runs, all or none; a run that is there is left, or gains the metrics that are new.

        Raises:
            SpecError: a run that is there has other numbers under the same protocol: two runs bear one id.
        """
        with writing(self._engine) as connection:
            migrate.hold(connection)
            return [_add(connection, entry, self.name) for entry in entries]

    def remove(self, ids: Sequence[str]) -> None:
        """Remove runs, all or none.

        Raises:
            SpecError: there is no such run.
        """
        with writing(self._engine) as connection:
            migrate.hold(connection)
            for one in ids:
                connection.execute(delete(results).where(results.c.run_id == one))
                if connection.execute(delete(runs).where(runs.c.id == one)).rowcount == 0:
                    shown = "'medbench leaderboard show' lists the ids"
                    raise SpecError(f"{self.name} has no run with the id '{one}': {shown}")

    def tracks(self) -> list[TrackRow]:
        """Return the tracks by name."""
        what = (runs.c.track, runs.c.dataset, runs.c.model)
        with reading(self._engine) as connection:
            rows = connection.execute(select(*what, func.count()).group_by(*what).order_by(*what)).all()
        grouped: dict[str, list[tuple[str, str, int]]] = {}
        for track, dataset, model, count in rows:
            grouped.setdefault(track, []).append((dataset, model, count))
        return [
            TrackRow(
                track=track,
                dataset=found[0][0],
                fingerprint=track.rpartition("/")[2],
                rows=sum(count for *_, count in found),
                models=tuple(dict.fromkeys(model for _, model, _ in found)),
            )
            for track, found in grouped.items()
        ]

    def track(self, track: str) -> tuple[Sequence[RowMapping], Sequence[RowMapping]]:
        """Return the rows of ``runs`` and of ``results`` of a track, as one moment saw them."""
        own = select(runs.c.id).where(runs.c.track == track)
        with reading(self._engine) as connection:
            found = connection.execute(select(runs).where(runs.c.track == track).order_by(runs.c.model, runs.c.id))
            rows = found.mappings().all()
            numbers = connection.execute(select(results).where(results.c.run_id.in_(own))).mappings().all()
        return rows, numbers

    def montages(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return the montages of runs (WebP) by id, where they have one."""
        asked = select(pictures.c.run_id, pictures.c.montage).where(pictures.c.run_id.in_(ids))
        with reading(self._engine) as connection:
            return {run: montage for run, montage in connection.execute(asked)}

    def documents(self, run: str) -> dict[str, bytes]:
        """Return the results.json files that a run's numbers come from, by SHA-256; the newest first.

        Raises:
            SpecError: there is no such run.
            DataError: a document was changed in the store.
        """
        asked = select(documents.c.sha256, documents.c.content).where(documents.c.run_id == run)
        with reading(self._engine) as connection:
            newest = connection.execute(select(runs.c.document).where(runs.c.id == run)).scalar()
            found = {name: unpacked(content, name) for name, content in connection.execute(asked)}
        if newest is None:
            raise SpecError(f"{self.name} has no run with the id '{run}': 'medbench leaderboard show' lists the ids")
        if newest not in found:
            raise DataError(f"{self.name} lacks the results.json of run {run}: add the run again")
        return {newest: found.pop(newest), **found}

    def entries(self) -> Iterator[Entry]:
        """Yield every run with all that belongs to it, for another store.

        Raises:
            DataError: a document was changed in the store.
        """
        with reading(self._engine) as connection:
            ids = list(connection.execute(select(runs.c.id).order_by(runs.c.added)).scalars())
        for one in ids:
            yield self._entry(one)

    def _entry(self, one: str) -> Entry:
        with reading(self._engine) as connection:
            run = dict(connection.execute(select(runs).where(runs.c.id == one)).mappings().one())
            numbers = [
                dict(row) for row in connection.execute(select(results).where(results.c.run_id == one)).mappings()
            ]
            kept = connection.execute(select(documents.c.sha256, documents.c.content).where(documents.c.run_id == one))
            content = {name: unpacked(stored, name) for name, stored in kept}
            montage = connection.execute(select(pictures.c.montage).where(pictures.c.run_id == one)).scalar()
        for row in numbers:
            del row["run_id"]
        return Entry(run, numbers, content, montage)


def _add(connection: Connection, entry: Entry, store: str) -> Added:
    """Add a run within a transaction."""
    key = entry.run["id"]
    there = connection.execute(select(runs.c.document, runs.c.origin).where(runs.c.id == key)).one_or_none()
    known = {row.metric: row for row in connection.execute(select(results).where(results.c.run_id == key))}
    if there is not None:
        _require_same(entry, known, there.origin, store)
        if there.document == entry.run["document"] and {row["metric"] for row in entry.results} <= known.keys():
            return "there"
        connection.execute(update(runs).where(runs.c.id == key).values(**_without(entry.run, "added")))
    else:
        connection.execute(insert(runs).values(**entry.run))
    held = connection.execute(select(documents.c.sha256).where(documents.c.run_id == key)).scalars().all()
    new = [
        {"run_id": key, "sha256": name, "content": packed(content)}
        for name, content in entry.documents.items()
        if name not in held
    ]
    _insert(connection, documents, new)
    metrics = [row["metric"] for row in entry.results]
    connection.execute(delete(results).where(results.c.run_id == key, results.c.metric.in_(metrics)))
    _insert(connection, results, [{"run_id": key, **row} for row in entry.results])
    used = {*connection.execute(select(results.c.document).where(results.c.run_id == key)).scalars()}
    stale = [name for name in held if name not in used | {entry.run["document"]}]
    connection.execute(delete(documents).where(documents.c.run_id == key, documents.c.sha256.in_(stale)))
    if entry.montage is not None:
        connection.execute(delete(pictures).where(pictures.c.run_id == key))
        connection.execute(insert(pictures).values(run_id=key, montage=entry.montage))
    return "added" if there is None else "updated"


def _insert(connection: Connection, table: Any, rows: Iterable[Mapping[str, Any]]) -> None:
    if rows := list(rows):
        connection.execute(insert(table), rows)


def _without(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


def _require_same(entry: Entry, known: Mapping[str, Any], origin: str, store: str) -> None:
    """Refuse other numbers of a run that is there, under the same protocol; a folder may be made anew.

    Raises:
        SpecError: two runs bear one id.
    """
    if entry.run["origin"] == origin:
        return
    for row in entry.results:
        old = known.get(row["metric"])
        if old is None or old.fingerprint != row["fingerprint"]:
            continue
        if not math.isclose(old.value, row["value"], rel_tol=_SAME):
            run = entry.run
            raise SpecError(
                f"two runs are called {run['run']} ({run['model']} on {run['track']}): {store} has {row['metric']} "
                f"{old.value:.6g} from {origin}, and {run['origin']} has {row['value']:.6g}: rename one's folder, or "
                f"'medbench leaderboard remove {run['id']}' first"
            )
