"""What readers answered: one table a reader in ``ratings/``, one row a trial, written whole at every change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from medbench.errors import DataError, SpecError, StorageError
from medbench.reader_study.packet import Packet
from medbench.reader_study.study import Trial
from medbench.reader_study.tables import Rating, checked, read_table, reader_name, table_text
from medbench.storage.files import make_folder, storage_errors, write_json, write_text

TRAINING: Final = "training"
ORDERS: Final = "orders.json"
_LOCK_SECONDS: Final = 20.0


class Ratings:
    """The ratings of a packet; several readers and processes may write at once.

    Args:
        packet: an open packet.
    """

    def __init__(self, packet: Packet) -> None:
        self.packet = packet
        self.study = packet.study
        self.folder = packet.ratings

    def readers(self) -> list[str]:
        """Return the readers who have a place or a table, by name."""
        return sorted({*self._places(), *(path.stem for path in self.folder.glob("*.csv"))})

    def order(self, reader: str) -> tuple[Trial, ...]:
        """Return what a reader is shown, training first; the first call takes a place, which the reader then keeps.

        Raises:
            SpecError: no valid name, or every order of the packet is taken.
            DataError: the list of places is damaged.
            StorageError: it cannot be written.
        """
        reader = reader_name(reader)
        with self._locked():
            places = self._places()
            if reader not in places:
                free = sorted(set(range(len(self.study.orders))) - set(places.values()))
                if not free:
                    raise SpecError(
                        f"{self.packet.path} has {len(places)} orders and all are taken ({', '.join(sorted(places))}): "
                        "create a packet with more --readers"
                    )
                places[reader] = free[0]
                write_json(self.folder / ORDERS, places)
        return self.study.order(places[reader])

    def of(self, reader: str) -> dict[str, Rating]:
        """Return a reader's ratings by trial, those of the training too; empty before the first answer.

        Raises:
            SpecError: no valid name.
            DataError: a table is damaged.
        """
        reader = reader_name(reader)
        return {**self._table(self.training_file(reader), reader), **self._table(self.file(reader), reader)}

    def save(self, reader: str, rating: Rating) -> Rating:
        """Keep a rating; return what is stored now.

        Answers that are given replace earlier ones, others stay; the comment is replaced; the longer time stays. So
        two windows of one reader lose nothing, and neither does a clock that jumps.

        Raises:
            SpecError: no valid name.
            DataError: see ``checked``; or the table on disk is damaged.
            StorageError: disk full or not writable; what was stored is untouched.
        """
        reader = reader_name(reader)
        rating = checked(self.study, rating)
        training = self.study.trials[rating.trial].training
        file = self.training_file(reader) if training else self.file(reader)
        with self._locked():
            stored = self._table(file, reader)
            earlier = stored.get(rating.trial, Rating(rating.trial))
            seconds = max((time for time in (earlier.seconds, rating.seconds) if time is not None), default=None)
            merged = replace(rating, answers={**earlier.answers, **rating.answers}, seconds=seconds)
            write_text(file, table_text(self.study, {reader: {**stored, rating.trial: merged}}))
        return merged

    def file(self, reader: str) -> Path:
        """Return where a reader's ratings lie."""
        return self.folder / f"{reader}.csv"

    def training_file(self, reader: str) -> Path:
        """Return where a reader's answers to training trials lie; no score reads them."""
        return self.folder / TRAINING / f"{reader}.csv"

    def _table(self, file: Path, reader: str) -> dict[str, Rating]:
        if not file.is_file():
            return {}
        found = read_table(file, self.study)
        if strangers := found.keys() - {reader}:
            raise DataError(f"{file} holds ratings of '{min(strangers)}': each reader has a table of that name")
        return found.get(reader, {})

    def _places(self) -> dict[str, int]:
        path = self.folder / ORDERS
        if not path.is_file():
            return {}
        try:
            places = {reader_name(name): int(place) for name, place in json.loads(path.read_bytes()).items()}
        except (ValueError, TypeError, AttributeError, SpecError) as error:
            raise DataError(f"{path} is damaged: restore it, or write {{reader: place from 0}} by hand") from error
        taken = list(places.values())
        if len(set(taken)) < len(taken) or not set(taken) <= set(range(len(self.study.orders))):
            raise DataError(f"{path} gives two readers one order, or one that is not there: correct it by hand")
        return places

    @contextmanager
    def _locked(self) -> Iterator[None]:
        make_folder(self.folder)
        try:
            with storage_errors(self.folder), FileLock(self.folder / ".lock", timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise StorageError(
                f"{self.folder} is locked by another process: close it, or delete {self.folder / '.lock'}"
            ) from error
