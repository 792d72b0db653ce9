"""``medbench replicate``: runs, then each part of the paper, then the page."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from leaderboard.replicate.base import Findings, Finished, Shown
from leaderboard.replicate.output import Shelf, write
from leaderboard.replicate.paper import AnyPart
from leaderboard.replicate.runs import Planned, ReplicateOptions, absent, carry_out, plan, require_any
from leaderboard.reported.rows import reported_rows
from medbench.datasets.base import Check
from medbench.errors import MedbenchError
from medbench.pipeline.options import TrackOptions, load_dataset
from medbench.pipeline.track import Track
from medbench.progress import Progress
from medbench.storage.files import make_folder


@dataclass(frozen=True)
class Replicated:
    """What a replication left: its page, the runs that were made, and what was absent or failed."""

    page: Path
    runs: dict[str, dict[str, Finished]]
    absent: list[Check]


class Replication:
    """A paper on one of its tracks.

    Args:
        options: what was asked for.
        progress: told about everything.

    Raises:
        SpecError: no such track.
        UnknownPluginError: no such model.
    """

    def __init__(self, options: ReplicateOptions, progress: Progress) -> None:
        self.options = options
        self.progress = progress
        self.track, self.settings = options.paper.track(options.track)

    @cached_property
    def planned(self) -> tuple[list[Planned], list[Check]]:
        """The runs that are wanted, and the models that cannot take part."""
        return plan(self.options)

    @cached_property
    def absent(self) -> list[Check]:
        """What the runs need and is not here, each with its mend."""
        runs, without = self.planned
        return [*without, *absent(self.options, runs)]

    def make(self) -> Replicated:
        """Make or resume the runs, then write every part and the page.

        Raises:
            MissingExtraError: nothing could be run; the page is written all the same.
            StorageError: disk full or not writable.
        """
        make_folder(self.options.out)
        runs, failed = carry_out(self.planned[0], self.absent, self.progress)
        rows = [*self.absent, *failed]
        findings = self._findings(runs)
        parts = [(part, self._shown(part, findings)) for part in self.options.paper.parts]
        page = write(Shelf(self.options.paper, self.track, self.settings, findings, rows, parts, self.options.command))
        require_any(runs, rows)
        return Replicated(page, runs, rows)

    def _findings(self, runs: dict[str, dict[str, Finished]]) -> Findings:
        options, settings = self.options, self.settings
        track = Track.open(
            TrackOptions(dataset=settings.dataset, data_root=options.data_root, protocol=settings.protocol)
        )
        return Findings(
            out=options.out,
            dataset=load_dataset(settings.dataset, root=options.data_root),
            named=settings.dataset,
            data_root=options.data_root,
            protocol=track.protocol,
            runs=runs,
            published=options.paper.published,
            reported=reported_rows(source=options.paper.source),
        )

    def _shown(self, part: AnyPart, findings: Findings) -> Shown:
        """Return what a part shows; one that cannot be made says why."""
        self.progress.note(part.heading)
        try:
            return part.make(findings, self.progress)
        except MedbenchError as error:
            return Shown(notes=(str(error),))
