"""One value a checkpoint, and the choice among them."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from leaderboard.checkpoints.parts import Parts
from leaderboard.comparison.compare import compare, open_runs
from medbench.errors import DataError, NoNumberError, SpecError
from medbench.pipeline.folder import FolderEvaluation
from medbench.progress import Progress
from medbench.records.results import Report, Result
from medbench.records.sources import Folder
from medbench.statistics.multiple_tests import holm
from medbench.statistics.ranks import LEVEL

CHECKPOINTS, CHOSEN = "checkpoints", "chosen"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint's samples.

    Args:
        name: what tells its folder from the others'.
        step: the last number in the name; None where names have none, or two have the same.
        samples: the folder.
    """

    name: str
    step: int | None
    samples: Path

    @property
    def source(self) -> Folder:
        """The samples under the checkpoint's name."""
        return Folder(self.samples, called=self.name)


@dataclass(frozen=True)
class Judged:
    """A checkpoint's results on the volumes that the choice is made by; or why it has none."""

    checkpoint: Checkpoint
    report: Report | None
    reason: str = ""

    def result(self, metric: str) -> Result | None:
        """Return the metric's number, where there is one."""
        return next((one for one in self.report.results if one.metric == metric), None) if self.report else None


@dataclass(frozen=True)
class Choice:
    """The checkpoint that was chosen.

    Args:
        metric: what it was chosen by.
        checkpoint: the best value.
        ties: others whose value is not told apart from that (Holm's adjustment over all pairs of checkpoints).
    """

    metric: str
    checkpoint: Checkpoint
    ties: tuple[str, ...]


def checkpoints_of(folders: Sequence[Path]) -> list[Checkpoint]:
    """Return the checkpoints by step, or in the order given.

    Raises:
        SpecError: fewer than two, or one of them twice.
    """
    if len(folders) < 2:
        raise SpecError(f"--each compares two folders of samples or more, and {len(folders)} came")
    parts = [Path(os.path.abspath(folder)).parts for folder in folders]  # noqa: PTH100  links keep their own names
    if len(set(parts)) < len(parts):
        raise SpecError("the same folder is named twice: --each takes every checkpoint once")
    lead = _shared(parts)
    tail = _shared([own[lead:][::-1] for own in parts])
    names = ["-".join(own[lead : len(own) - tail]) or own[-1] for own in parts]
    steps = [int(found[-1]) if (found := re.findall(r"\d+", name)) else None for name in names]
    if None in steps or len(set(steps)) < len(steps):
        return [Checkpoint(name, None, folder) for name, folder in zip(names, folders)]
    found_all = [Checkpoint(name, step, folder) for name, step, folder in zip(names, steps, folders)]
    return sorted(found_all, key=lambda one: one.step or 0)


def _shared(parts: Sequence[Sequence[str]]) -> int:
    """Return how many parts all paths begin with."""
    return sum(1 for _ in itertools.takewhile(lambda column: len(set(column)) == 1, zip(*parts)))


def judge(checkpoints: Sequence[Checkpoint], parts: Parts, out: Path, progress: Progress) -> list[Judged]:
    """Evaluate each checkpoint's samples against the volumes that the choice is made by.

    What stands in ``out`` is not computed again. A checkpoint whose samples are refused, like those of a network that
    has collapsed, has no number.

    Args:
        checkpoints: by name.
        parts: of the real side.
        out: gains ``checkpoints/NAME``, an evaluation each.
        progress: told about every stage.

    Raises:
        SpecError: the checkpoints have different numbers of samples.
        DataError: none of them has a number; the message is that of the first.
    """
    opened, refused = [], []
    for one in checkpoints:
        options = replace(parts.choice, samples=one.source, out=out / CHECKPOINTS / one.name)
        opened.append((one, FolderEvaluation(options, progress)))
    counts = {len(evaluation.comparison.synthetic): one.name for one, evaluation in opened}
    if len(counts) > 1:
        told = " and ".join(f"{name} has {count}" for count, name in sorted(counts.items())[:2])
        raise SpecError(f"values at different counts cannot be compared ({told} samples): give equally many")
    judged = []
    for one, evaluation in opened:
        try:
            judged.append(Judged(one, evaluation.evaluate()))
        except DataError as error:
            progress.note(f"{one.name} has no number: {error}")
            refused.append(error)
            judged.append(Judged(one, None, str(error)))
    if len(refused) == len(judged):
        raise refused[0]
    return judged


def choose(judged: Sequence[Judged], asked: str | None, out: Path) -> Choice:
    """Return the checkpoint with the best value.

    Args:
        judged: what ``judge`` returned.
        asked: the metric that decides; None: the first that has a number.
        out: as for ``judge``.

    Raises:
        SpecError: that metric is not among those computed, or its values cannot be compared.
        NoNumberError: no metric has a number.
    """
    there = {one.metric: one for report in judged if report.report for one in report.report.results}
    metric = asked or next(iter(there), None)
    if metric is None:
        raise NoNumberError("no checkpoint has a number: see what was skipped", 2)
    if metric not in there:
        raise SpecError(f"no checkpoint has a number of '{metric}': choose by {', '.join(there)}")
    found = [(one.checkpoint, result) for one in judged if (result := one.result(metric)) is not None]
    if len({result.fingerprint for _, result in found}) > 1:
        raise SpecError(
            f"the values of {metric} rest on different regions or features and cannot be compared: choose by another "
            "metric with --choose-by"
        )
    sign = 1 if found[0][1].better == "lower" else -1
    best, _ = min(found, key=lambda pair: sign * pair[1].value)
    return Choice(metric, best, _not_told_apart(best, [one for one, _ in found], metric, out))


def _not_told_apart(best: Checkpoint, others: Sequence[Checkpoint], metric: str, out: Path) -> tuple[str, ...]:
    """Return the checkpoints whose values chance may have put behind the best one's."""
    if len(others) < 2:
        return ()
    runs = {out / CHECKPOINTS / one.name: one.name for one in others}
    opened = open_runs(list(runs))
    names = dict(zip((run.name for run in opened), runs.values()))
    rows = [row for row in compare(opened)[0] if row.metric == metric]
    apart = {
        frozenset((names[row.a], names[row.b]))
        for row, p_value in zip(rows, holm([row.p_value for row in rows]))
        if p_value is not None and p_value < LEVEL
    }
    return tuple(one.name for one in others if one is not best and frozenset((best.name, one.name)) not in apart)
