"""A board as LaTeX tables with booktabs, ready for a paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from leaderboard.ranking.rows import Board, Contest, Standing
from leaderboard.reported.rows import MARK
from leaderboard.views import cells
from leaderboard.views.escape import latex
from medbench.drawing.text import number

_PREAMBLE = "% Needs the packages booktabs and graphicx; values in bold share the first place.\n"
_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$"}


def latex_text(boards: Iterable[Board]) -> str:
    """Return one table a track, and one of what others reported below it; needs the packages booktabs and graphicx."""
    return _PREAMBLE + "\n".join(_track(board) for board in boards)


def _track(board: Board) -> str:
    headings = ["Run", "Mean rank", *(_heading(one, board.contests) for one in board.contests)]
    rows = [_row(row) for row in cells.wide(board)]
    told = " ".join(latex(note) for note in cells.footnotes(board))
    caption = (
        f"Track {latex(board.track)}: value, 95\\,\\% interval, and the places that chance leaves open in parentheses. "
        f"{told}"
    )
    text = _table(headings, rows, caption=caption.strip(), columns="l" + "r" * (len(headings) - 1))
    if board.reported:
        grouped = cells.reported_by_metric(board)
        figures = [
            [latex(title), latex(model), latex(value).replace("±", r"$\pm$"), latex(source)]
            for title, of_metric in grouped.items()
            for model, value, source in of_metric
        ]
        caption = f"{MARK.capitalize()}: figures on {latex(board.dataset)} that others published."
        text += "\n" + _table(["Metric", "Model", "Value", "Source"], figures, caption=caption, columns="llrl")
    return text


def _heading(contest: Contest, among: Sequence[Contest]) -> str:
    unit = f" [{contest.unit}]" if contest.unit else ""
    name = latex(f"{contest.metric}{unit}{cells.protocol_of(contest, among)}")
    return f"{name} {_ARROWS[contest.better]}"


def _row(row: cells.WideRow) -> list[str]:
    marks = cells.marks_of(row.run)
    name = latex(cells.name_of(row.run)) + (f"\\textsuperscript{{{latex(', '.join(marks))}}}" if marks else "")
    return [name, latex(cells.mean_rank(row.overall)), *map(_cell, row.standings)]


def _cell(standing: Standing | None) -> str:
    if standing is None:
        return "--"
    value = _number(standing.value)
    shown = rf"\textbf{{{value}}}" if standing.rank == 1 else value
    ends = f" {{\\footnotesize [{_number(standing.ci95[0])}, {_number(standing.ci95[1])}]}}" if standing.ci95 else ""
    return shown + ends + (f" ({cells.places(standing.rank_ci95).replace('-', '--')})" if standing.rank else "")


def _number(value: float) -> str:
    return number(value).replace("-", "$-$", 1) if value < 0 else number(value)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, columns: str) -> str:
    def line(cells_: Sequence[str]) -> str:
        return "    " + " & ".join(cells_) + r" \\"

    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{caption}}}",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        f"  \\begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        line(headings),
        r"    \midrule",
        *map(line, rows),
        r"    \bottomrule",
        r"  \end{tabular}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
