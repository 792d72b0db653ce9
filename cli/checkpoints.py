"""``medbench evaluate --each``: several checkpoints of one training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.destinations import Destinations
from cli.results import end_with, print_report, tell_logged
from cli.session import Session
from medbench.pipeline.options import FolderOptions

if TYPE_CHECKING:
    from leaderboard.checkpoints.choice import Choice, Judged


def evaluate_each(
    ui: Session, folders: Sequence[Path], options: FolderOptions, choose_by: str | None, destinations: Destinations
) -> None:
    """Judge checkpoints on some real volumes, choose one, and report that one on others.

    Args:
        ui: the command's session.
        folders: of samples, one a checkpoint.
        options: of each evaluation; their ``out`` is the folder for all of it.
        choose_by: the metric that decides.
        destinations: of the reported run.
    """
    from leaderboard.checkpoints import choice as choosing
    from leaderboard.checkpoints.output import CURVE, SAME_SAMPLES, TABLE, write
    from leaderboard.checkpoints.parts import parted
    from medbench.pipeline.folder import FolderEvaluation
    from medbench.spec import fingerprint

    checkpoints = choosing.checkpoints_of(folders)
    opened = destinations.open()
    key = fingerprint([[str(one.samples.resolve()) for one in checkpoints], str(options.real), options.dataset])
    out = options.out or Path("evaluations") / f"each-{key}"
    with parted(options, ui.progress) as parts:
        judged = choosing.judge(checkpoints, parts, out, ui.progress)
        chosen = choosing.choose(judged, choose_by, out)
        last = replace(parts.report, samples=chosen.checkpoint.source, out=out / choosing.CHOSEN)
        evaluation = FolderEvaluation(last, ui.progress)
        ui.log = evaluation.folder.log_file
        report = evaluation.report()
    document = write(out, judged, chosen, parts.words, report)
    if ui.as_json:
        ui.print_json(document)
    else:
        _print_choice(ui, judged, chosen)
        ui.say(f"{parts.words}.", SAME_SAMPLES, "")
        print_report(ui, report)
        ui.say(f"report: {evaluation.folder.report_file}", f"curve: {out / CURVE}, {out / TABLE}")
    opened.rank(evaluation.folder)
    tell_logged(ui, opened.log(report, evaluation.folder))
    end_with(ui, [one for one in report.skipped if one.exit_code])


def _print_choice(ui: Session, judged: Sequence[Judged], choice: Choice) -> None:
    from medbench.drawing.text import ABSENT, interval, number

    rows = []
    for one in judged:
        result, name = one.result(choice.metric), one.checkpoint.name
        mark = "chosen" if name == choice.checkpoint.name else "not told apart" if name in choice.ties else ""
        figures: list[Any] = [number(result.value), interval(result.ci95), number(result.floor)] if result else []
        rows.append((name, *(figures or [ABSENT] * 3), mark if result else "no number"))
    ui.table(("checkpoint", choice.metric, "95 % interval", "floor", ""), rows)
    ui.say(*(f"{one.checkpoint.name}: {one.reason}" for one in judged if one.reason))
