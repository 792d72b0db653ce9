"""Where results go beside their run folder: a leaderboard, trackers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medbench.records.run import RunFolder

if TYPE_CHECKING:
    from leaderboard.store.store import Store
    from medbench.records.results import Report
    from medbench.tracking.entry import TrackedRun


@dataclass(frozen=True)
class Destinations:
    """What a command was asked for.

    Args:
        leaderboard: file or URL; None: the default one; ``none``: no leaderboard.
        logs: what logs a run, by the tracker that was asked for.
    """

    leaderboard: str | None
    logs: Mapping[str, Callable[[TrackedRun], str]]

    @classmethod
    def asked(cls, leaderboard: str | None, log_to: Sequence[str] | None) -> Destinations:
        """Return the destinations of a command, before it does anything.

        Args:
            leaderboard: as above.
            log_to: trackers, see ``medbench.tracking.trackers.tracker``.

        Raises:
            SpecError: no such tracker.
            MissingExtraError: its library is not installed.
        """
        if not log_to:
            return cls(leaderboard, {})
        from medbench.tracking.trackers import tracker

        return cls(leaderboard, {asked: tracker(asked) for asked in log_to})

    def open(self) -> Opened:
        """Return them, open: before hours of work, what cannot be written to is told at once.

        Raises:
            SpecError: no such kind of leaderboard.
            StorageError: it cannot be written.
        """
        if self.leaderboard == "none":
            return Opened(None, self.logs)
        from leaderboard.store.store import Store

        return Opened(Store.open(self.leaderboard, create=True), self.logs)


@dataclass(frozen=True)
class Opened:
    """Destinations that are open."""

    store: Store | None
    logs: Mapping[str, Callable[[TrackedRun], str]]

    def rank(self, folder: RunFolder) -> None:
        """Add a run to the leaderboard; one that was refused before it began has found nothing."""
        if self.store is None or not folder.results_file.is_file():
            return
        from leaderboard.store.entry import read_entry

        self.store.add([read_entry(folder.path)])

    def log(self, report: Report, folder: RunFolder) -> Iterator[str]:
        """Log a run to each tracker, and yield where it is found.

        Raises:
            StorageError: a tracker did not take it.
        """
        if not self.logs:
            return
        from medbench.tracking.entry import TrackedRun

        run = TrackedRun.of(report, folder)
        for asked, log in self.logs.items():
            yield f"{asked.partition(':')[0]}: {log(run)}"
