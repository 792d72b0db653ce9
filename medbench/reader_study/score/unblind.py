"""Ratings set beside what they were ratings of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medbench.errors import DataError
from medbench.reader_study.criteria import Criterion
from medbench.reader_study.key import REAL, Key
from medbench.reader_study.packet import Packet
from medbench.reader_study.study import Study
from medbench.reader_study.tables import Rating, read_table
from medbench.storage.cells import neutral

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Unblinded:
    """A study that has been read.

    Args:
        study: its description.
        key: where its cases come from.
        table: one row a reader and trial: ``reader``, ``trial``, ``model`` (of a pair: the other than ``first``),
            ``first`` (of a pair: real, or the first of two models; else empty) and ``left`` (of a pair: what stood
            there), one column a criterion (numbers; NaN where not answered), ``comment``, ``seconds``, ``repeat_of``
            (a trial, or empty).
        notes: what a reader of the scores should know.
    """

    study: Study
    key: Key
    table: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def once(self) -> pd.DataFrame:
        """The rows without those that repeat a trial."""
        return self.table[self.table["repeat_of"] == ""]

    @property
    def models(self) -> list[str]:
        """The models that were read, real cases first."""
        found = dict.fromkeys(self.table["model"])
        return sorted(found, key=lambda model: (model != REAL, model))

    @property
    def readers(self) -> list[str]:
        """Who has read, by name."""
        return sorted(dict.fromkeys(self.table["reader"]))


def numeric(criterion: Criterion, value: str) -> float:
    """Return an answer as a number: scales as they are, ``real`` and ``left`` 1, ``synthetic`` and ``right`` 0.

    Args:
        criterion: what was asked.
        value: one of its options.
    """
    return float(value) if value.isdigit() else float(value in (REAL, "left"))


def collect(packet: Packet, files: Sequence[Path]) -> dict[str, dict[str, Rating]]:
    """Return all ratings, reader -> trial -> rating.

    Args:
        packet: an open packet.
        files: tables of ratings; none: all in the packet's ``ratings/``.

    Raises:
        DataError: a table is damaged, a reader's trial is rated in two tables, or there is no rating at all.
    """
    found: dict[str, dict[str, Rating]] = {}
    for file in files or sorted(packet.ratings.glob("*.csv")):
        for reader, ratings in read_table(file, packet.study).items():
            mine = found.setdefault(reader, {})
            if doubled := mine.keys() & ratings.keys():
                raise DataError(f"{file}: '{reader}' has rated {min(doubled)} in another table, too: keep one of them")
            mine.update(ratings)
    counted = {name for name, trial in packet.study.trials.items() if not trial.training}
    found = {who: {t: r for t, r in of.items() if t in counted and r.answers} for who, of in found.items()}
    found = {reader: ratings for reader, ratings in found.items() if ratings}
    if not found:
        where = ", ".join(map(str, files)) or packet.ratings
        raise DataError(f"{where}: nothing is rated yet: run 'medbench study serve {packet.path}', or fill in form.csv")
    return found


def unblind(packet: Packet, key: Key, ratings: Mapping[str, Mapping[str, Rating]]) -> Unblinded:
    """Set ratings beside their sources.

    Args:
        packet: an open packet.
        key: its key.
        ratings: reader -> trial -> rating.
    """
    import pandas as pd

    study, sources = packet.study, key.sources()
    rows = []
    for reader, own in sorted(ratings.items()):
        for trial, rating in sorted(own.items()):
            shown = [sources[case] for case in study.trials[trial].cases]
            answers = {c.id: numeric(c, v) for c in study.criteria if (v := rating.answers.get(c.id)) is not None}
            first, model = _pair(shown) if len(shown) == 2 else ("", shown[0])
            if len(shown) == 2 and shown[0] != first:
                answers = {name: 1.0 - value for name, value in answers.items()}  # 1: the first was chosen
            rows.append(
                {"reader": reader, "trial": trial, "model": model, "first": first, "left": shown[0] if first else ""}
                | {criterion.id: answers.get(criterion.id) for criterion in study.criteria}
                | {
                    "comment": neutral(rating.comment),
                    "seconds": rating.seconds,
                    "repeat_of": key.repeats.get(trial, ""),
                }
            )
    table = pd.DataFrame(rows).astype(
        {criterion.id: "float64" for criterion in study.criteria} | {"seconds": "float64"}
    )
    return Unblinded(study, key, table, _unfinished(study, ratings))


def _pair(shown: Sequence[str]) -> tuple[str, str]:
    """Return the side that should look real, and the other one."""
    a, b = sorted(shown, key=lambda model: (model != REAL, model))
    return a, b


def _unfinished(study: Study, ratings: Mapping[str, Mapping[str, Rating]]) -> tuple[str, ...]:
    expected = len(study.orders[0])
    notes = []
    for reader, own in sorted(ratings.items()):
        whole = sum(study.answered(rating.answers) for rating in own.values())
        if whole < expected:
            notes.append(f"{reader} has answered {whole} of {expected} trials in full; what is there counts")
    return tuple(notes)
