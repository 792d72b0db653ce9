"""One reader at work: the trials in order, what is answered, and for how long each was in view."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from medbench.reader_study.ratings import Ratings
from medbench.reader_study.server.stopwatch import Stopwatch
from medbench.reader_study.study import Trial
from medbench.reader_study.tables import Rating
from medbench.spec import canonical_json


@dataclass(frozen=True)
class Kept:
    """A rating as it is stored now.

    Args:
        rating: without answers where nothing is stored.
    """

    rating: Rating

    @property
    def version(self) -> str:
        """A name for answers and comment, by which a page knows whether it is up to date; time is no part of it."""
        content = canonical_json({"answers": dict(self.rating.answers), "comment": self.rating.comment})
        return hashlib.sha256(content.encode()).hexdigest()[:16]


class Reading:
    """What one reader's windows may ask for. Several at once are safe: each change is merged into what is stored.

    Args:
        ratings: of the packet.
        reader: the name, valid.
        stopwatch: takes the time.
    """

    def __init__(self, ratings: Ratings, reader: str, stopwatch: Stopwatch | None = None) -> None:
        self.reader = reader
        self.trials: tuple[Trial, ...] = ratings.order(reader)
        self._ids = {trial.id for trial in self.trials}
        self._ratings = ratings
        self._stopwatch = stopwatch or Stopwatch()
        self._lock = threading.Lock()

    def __contains__(self, trial: str) -> bool:
        """Return whether the reader is shown this trial."""
        return trial in self._ids

    def kept(self) -> dict[str, Kept]:
        """Return what is stored of every trial.

        Raises:
            DataError: a table is damaged.
        """
        stored = self._ratings.of(self.reader)
        return {trial.id: Kept(stored.get(trial.id, Rating(trial.id))) for trial in self.trials}

    def open(self, trial: str) -> Kept:
        """Begin to count the time of a trial.

        Raises:
            DataError: a table is damaged.
        """
        with self._lock:
            self._stopwatch.open(trial)
            return self._stored(trial)

    def save(self, trial: str, answers: Mapping[str, str], comment: str | None = None) -> Kept:
        """Keep what has changed, and the time since the last call.

        Args:
            trial: one of ``trials``.
            answers: the criteria that were answered now; none is a mere sign of life.
            comment: None leaves it as it is.

        Raises:
            DataError: an answer that the study does not know; or a table is damaged.
            StorageError: disk full or not writable; the time is not lost.
        """
        with self._lock:
            before = self._stored(trial)
            seconds = (before.rating.seconds or 0.0) + self._stopwatch.tick(trial)
            said = before.rating.comment if comment is None else comment
            after = self._ratings.save(self.reader, Rating(trial, answers, said, seconds))
            self._stopwatch.keep(trial)
            return Kept(after)

    def _stored(self, trial: str) -> Kept:
        return Kept(self._ratings.of(self.reader).get(trial, Rating(trial)))
