"""A replication's files: one page, and each table as CSV and as LaTeX."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaderboard.replicate.base import Findings, Part, Picture, Shown, Table
from leaderboard.replicate.paper import Paper
from leaderboard.replicate.paper import Track as PaperTrack
from leaderboard.views.escape import latex
from medbench.datasets.base import Check
from medbench.drawing.text import moment
from medbench.report.context import picture
from medbench.report.html import render
from medbench.report.protocol_text import protocol_sentences
from medbench.storage.cells import neutral
from medbench.storage.files import write_text

PAGE = "report.html"


@dataclass(frozen=True)
class Shelf:
    """What is written.

    Args:
        paper: what was replicated.
        track: by name.
        settings: the track's own description.
        findings: what the parts were made from.
        absent: what was not here, and runs that failed.
        parts: each part with what it shows.
        command: as it was typed.
    """

    paper: Paper
    track: str
    settings: PaperTrack
    findings: Findings
    absent: Sequence[Check]
    parts: Sequence[tuple[Part, Shown]]
    command: str


def write(shelf: Shelf) -> Path:
    """Write ``tables/*.csv``, ``latex/*.tex`` and the page; return the page's path.

    Raises:
        DataError: a figure is damaged.
        StorageError: disk full or not writable.
    """
    out = shelf.findings.out
    for _, shown in shelf.parts:
        for table in shown.tables:
            write_text(out / "tables" / f"{table.name}.csv", csv_text(table))
            write_text(out / "latex" / f"{table.name}.tex", latex_text(table))
    page = out / PAGE
    write_text(page, _page(shelf))
    return page


def csv_text(table: Table) -> str:
    """Return a table's numbers as CSV, one a row; no cell is a formula to a spreadsheet.

    Args:
        table: its records have the same keys.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(neutral, table.records[0] if table.records else ()))
    for record in table.records:
        writer.writerow(map(neutral, record.values()))
    return text.getvalue()


def latex_text(table: Table) -> str:
    r"""Return a table in the paper's layout for ``\usepackage{booktabs}``.

    Args:
        table: reported rows are set in italics.
    """
    lines = [rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}", r"\toprule"]
    if table.groups:
        lines.append(" & ".join(["", *(rf"\multicolumn{{{n}}}{{c}}{{{latex(title)}}}" for title, n in table.groups)]))
        lines[-1] += r" \\"
        first = 2
        for _, width in table.groups:
            lines.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
            first += width
    lines += [" & ".join(map(latex, table.columns)) + r" \\", r"\midrule"]
    for row in table.rows:
        cells = [latex(cell) for cell in (row.name, *row.cells)]
        lines.append(" & ".join(rf"\textit{{{cell}}}" if row.reported else cell for cell in cells) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def _page(shelf: Shelf) -> str:
    findings = shelf.findings
    results = [
        result for runs in findings.runs.values() for finished in runs.values() for result in finished.report.results
    ]
    return render(
        "replication.html.j2",
        package="leaderboard.replicate",
        paper=shelf.paper,
        track=shelf.track,
        settings=shelf.settings,
        absent=shelf.absent,
        parts=[(part, shown, _pictures(shown.pictures)) for part, shown in shelf.parts],
        runs=[
            (kind, model, finished.folder.relative_to(findings.out).as_posix(), finished.report)
            for kind, runs in findings.runs.items()
            for model, finished in runs.items()
        ],
        stand_ins=sorted({name for result in results for name in result.stand_ins}),
        in_words=protocol_sentences(findings.protocol),
        date=moment(time.time()),
        command=shelf.command,
    )


def _pictures(shown: Sequence[Picture]) -> list[Mapping[str, object]]:
    return [picture(one.folder, one.figure, one.stand_ins) for one in shown]
