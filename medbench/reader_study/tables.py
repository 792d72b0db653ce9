"""Tables of ratings: the columns of ``form.csv``, read strictly, since people fill them in by hand, too."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from medbench.errors import DataError, SpecError
from medbench.reader_study.study import Study, columns
from medbench.storage.cells import neutral, plain

LONGEST_COMMENT: Final = 2000
_READER: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


@dataclass(frozen=True)
class Rating:
    """One reader's answers in one trial; what is not answered yet is left out.

    Args:
        trial: id of the case or pair.
        answers: criterion id -> value of an option.
        comment: at most 2000 characters, on one line; forced choices have none.
        seconds: how long the trial was in view; None where nobody took the time.
    """

    trial: str
    answers: Mapping[str, str] = field(default_factory=dict)
    comment: str = ""
    seconds: float | None = None


def reader_name(name: str) -> str:
    """Return a reader's name as it is stored: lower case letters, digits, - and _, at most 40.

    Raises:
        SpecError: other characters, or none.

    Example:
        >>> reader_name(" Reader-1 ")
        'reader-1'
    """
    stored = name.strip().lower()
    if not _READER.fullmatch(stored):
        raise SpecError(f"{name[:60]!r} is no reader's name: use up to 40 letters, digits, - and _, as in reader-1")
    return stored


def checked(study: Study, rating: Rating) -> Rating:
    """Return a rating that fits the study, its comment on one line.

    Raises:
        DataError: unknown trial, criterion or option, a comment that is too long, or a time that is none.
    """
    if rating.trial not in study.trials:
        raise DataError(f"{rating.trial[:60]!r} is none of the study's {_kind(study)}s")
    options = {criterion.id: criterion.values for criterion in study.criteria}
    for criterion, value in rating.answers.items():
        if criterion not in options:
            raise DataError(f"{rating.trial}: {criterion[:60]!r} is none of the criteria {', '.join(options)}")
        if value not in options[criterion]:
            allowed = ", ".join(options[criterion])
            raise DataError(f"{rating.trial}: {value[:60]!r} is no answer to {criterion}: choose from {allowed}")
    # Controls and lone surrogates cannot be kept in a UTF-8 table of one row a trial.
    comment = " ".join("".join(c if c.isprintable() else " " for c in rating.comment).split())
    if len(comment) > LONGEST_COMMENT:
        raise DataError(
            f"{rating.trial}: the comment has {len(comment)} characters, {LONGEST_COMMENT} are kept: shorten it"
        )
    if comment and "comment" not in columns(study):
        raise DataError(f"{rating.trial}: a forced choice has no comment")
    if rating.seconds is not None and not (math.isfinite(rating.seconds) and rating.seconds >= 0):
        raise DataError(f"{rating.trial}: {rating.seconds} is no time in seconds")
    return replace(rating, comment=comment)


def read_table(path: Path, study: Study) -> dict[str, dict[str, Rating]]:
    """Read a table of ratings, from the server or filled in by hand; rows that nobody touched are passed over.

    Args:
        path: a CSV file with the columns of ``form.csv``, separated by commas or (as some spreadsheets do) semicolons.
        study: what was asked.

    Returns:
        reader -> trial -> rating.

    Raises:
        DataError: names file, line and fault: other columns, an unknown case, a wrong answer, a case rated twice.
    """
    found: dict[str, dict[str, Rating]] = {}
    for line, cells in _lines(path, columns(study)):
        try:
            row = _row(cells, study)
            if row is None:
                continue
            reader, rating = row
            if rating.trial in found.setdefault(reader, {}):
                raise DataError(f"{rating.trial} is rated twice by '{reader}'")
        except (DataError, SpecError) as error:
            raise DataError(f"{path} line {line}: {error}") from error
        found[reader][rating.trial] = rating
    return found


def table_text(study: Study, ratings: Mapping[str, Mapping[str, Rating]]) -> str:
    """Return the table of ratings (reader -> trial -> rating) as CSV, sorted by reader and trial."""
    rows = io.StringIO(newline="")
    writer = csv.DictWriter(rows, columns(study), extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    trials = study.trials
    for reader in sorted(ratings):
        for rating in sorted(ratings[reader].values(), key=lambda rating: rating.trial):
            seconds = "" if rating.seconds is None else f"{rating.seconds:.1f}"
            shown = dict(zip(("left", "right"), trials[rating.trial].cases))
            head = {"reader": reader, _kind(study): rating.trial, **shown}
            writer.writerow({**head, **rating.answers, "comment": neutral(rating.comment), "seconds": seconds})
    return rows.getvalue()


def form_text(study: Study) -> str:
    """Return the empty form: a row for each trial that counts, in the order of the names."""
    trials = {name: Rating(name) for name, trial in study.trials.items() if not trial.training}
    return table_text(study, {"": trials})


def _lines(path: Path, wanted: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield number and stripped cells by column of every row of a CSV file that has these columns."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist: give a table of ratings") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is no UTF-8 text: save it as CSV UTF-8") from error
    head = text.split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter="," if "," in head else ";")
    try:
        if tuple(map(str.strip, next(rows, ()))) != wanted:
            raise DataError(f"{path} line 1: the columns must be {', '.join(wanted)}: start again from form.csv")
        for cells in rows:
            if cells and len(cells) != len(wanted):
                raise DataError(f"{path} line {rows.line_num}: {len(cells)} cells in place of {len(wanted)}")
            if cells:
                yield rows.line_num, dict(zip(wanted, map(str.strip, cells)))
    except csv.Error as error:
        raise DataError(f"{path} line {rows.line_num} is no CSV ({error}): start again from form.csv") from error


def _row(cells: Mapping[str, str], study: Study) -> tuple[str, Rating] | None:
    """Return reader and rating of a row; None where nobody has filled it in."""
    kind = _kind(study)
    asked = {criterion.id: cells[criterion.id] for criterion in study.criteria}
    if not any((cells["seconds"], cells.get("comment"), *asked.values())):
        return None
    if not cells["reader"]:
        raise DataError("the row has answers but no reader: fill in the first column")
    trial = study.trials.get(cells[kind])
    if trial is not None and kind == "pair" and (cells["left"], cells["right"]) != trial.cases:
        raise DataError(f"{trial.id} shows {trial.cases[0]} on the left and {trial.cases[1]} on the right")
    try:
        seconds = float(cells["seconds"]) if cells["seconds"] else None
    except ValueError as error:
        raise DataError(f"{cells['seconds'][:60]!r} is no time in seconds") from error
    answers = {criterion: value.lower() for criterion, value in asked.items() if value}
    rating = Rating(cells[kind], answers, plain(cells.get("comment", "")), seconds)
    return reader_name(cells["reader"]), checked(study, rating)


def _kind(study: Study) -> str:
    return "pair" if study.design == "2afc" else "case"
