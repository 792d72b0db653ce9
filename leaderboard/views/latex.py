"""A board as LaTeX tables with booktabs, ready for a paper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from leaderboard.ranking.rows import Board, Contest, Standing
from leaderboard.reported.rows import MARK
from leaderboard.views import cells
from leaderboard.views.escape import latex
from medbench.drawing.text import number

_PREAMBLE = f"% Needs the packages booktabs and graphicx. {cells.BOLD}\n"
_ARROWS = {"lower": r"$\downarrow$", "higher": r"$\uparrow$"}


def latex_text(boards: Iterable[Board]) -> str:
    """Return one table a track, and one of what others reported below it; needs the packages booktabs and graphicx."""
    return _PREAMBLE + "\n".join(_track(board) for board in boards)


def _track(board: Board) -> str:
    headings = ["Run", "Mean rank", *(heading(one, board.contests) for one in board.contests)]
    rows = [_row(row, board.contests) for row in cells.wide(board)]
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


def heading(contest: Contest, among: Sequence[Contest]) -> str:
    """Return a column's metric with its unit and direction (see ``cells.protocol_of``)."""
    unit = f" [{contest.unit}]" if contest.unit else ""
    name = latex(f"{contest.metric}{unit}{cells.protocol_of(contest, among)}")
    return f"{name} {_ARROWS[contest.better]}"


def _row(row: cells.WideRow, contests: Sequence[Contest]) -> list[str]:
    marks = cells.marks_of(row.run)
    name = latex(cells.name_of(row.run)) + (f"\\textsuperscript{{{latex(', '.join(marks))}}}" if marks else "")
    mean = latex(cells.mean_rank(row.overall)) if row.overall else "--"
    return [name, mean, *map(_cell, row.standings, contests)]


def _cell(standing: Standing | None, contest: Contest) -> str:
    if standing is None:
        return "--"
    return value_cell(standing, contest) + (
        f" ({cells.places(standing.rank_ci95).replace('-', '--')})" if standing.rank else ""
    )


def value_cell(standing: Standing, contest: Contest) -> str:
    """Return a value with its interval; bold where it is better than every other beyond chance."""
    value = figure(standing.value)
    shown = rf"\textbf{{{value}}}" if cells.stands_out(standing, contest) else value
    return shown + (
        f" {{\\footnotesize [{figure(standing.ci95[0])}, {figure(standing.ci95[1])}]}}" if standing.ci95 else ""
    )


def figure(value: float) -> str:
    r"""Return a number with a minus sign that is one, and powers of ten.

    >>> figure(-0.000014), figure(0.25)
    ('$-1.40\\cdot10^{-5}$', '0.250')
    """
    text = number(value)
    mantissa, power, exponent = text.partition("e")
    if power:
        return rf"${mantissa}\cdot10^{{{int(exponent)}}}$"
    return text.replace("-", "$-$", 1)


def tabular(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, columns: str, last: Sequence[str] = ()
) -> list[str]:
    """Return the lines of a table's body; it needs the package booktabs.

    Args:
        headings: LaTeX, one a column, like all cells.
        rows: likewise.
        columns: how they are aligned.
        last: a row below a rule of its own.
    """

    def line(row: Sequence[str]) -> str:
        return "    " + " & ".join(row) + r" \\"

    below = [r"    \midrule", line(last)] if last else []
    return [
        f"  \\begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        line(headings),
        r"    \midrule",
        *map(line, rows),
        *below,
        r"    \bottomrule",
        r"  \end{tabular}",
    ]


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str, columns: str) -> str:
    *body, end = tabular(headings, rows, columns=columns)
    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{caption}}}",
        r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        *body,
        end + "}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"
