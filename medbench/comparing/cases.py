"""One value a case, from the tables of runs whose metric judges case by case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medbench.errors import DataError
from medbench.statistics.significance import Outcome, paired_test, unpaired_test

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Layout:
    """How a metric's table names its cases.

    Args:
        value: column of the value that is compared.
        case: column that names what two runs share.
        subject: column of the case's patient, where a table may have it; None: each case stands for itself.
        rows: column and content of the rows that count; None: all.
    """

    value: str
    case: str
    subject: str | None = None
    rows: tuple[str, str] | None = None


LAYOUTS: Final[Mapping[str, Layout]] = {
    # Samples of two runs are pairs where they were made from the same label map, whatever their own names are.
    "adherence": Layout("dsc", "mask"),
    "downstream": Layout("dsc", "case", "subject", ("training_set", "synthetic")),
    "reconstruction": Layout("psnr", "id", "subject"),
}


def read_cases(path: Path, layout: Layout) -> pd.DataFrame:
    """Return the rows that count, with the columns ``case``, ``subject``, ``region`` and ``value``.

    Args:
        path: the metric's table.
        layout: how it names its cases.

    Raises:
        DataError: the table is absent, damaged or lacks a column.
    """
    import pandas as pd

    try:
        # Names are words, also where they look like numbers: 01 is not 1, nor is a hash like 12e34 infinite.
        names = dict.fromkeys((layout.case, layout.subject or layout.case, "region"), str)
        table = pd.read_csv(path, dtype=names)
    except FileNotFoundError as error:
        raise DataError(f"{path} is not there: evaluate that run again") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no table: evaluate that run again") from error
    if "side" in table:
        table = table[table["side"] == "synthetic"]
    missing = [name for name in (layout.value, layout.case, *(layout.rows or ())[:1]) if name not in table]
    if missing:
        raise DataError(f"{path} lacks the column {missing[0]}: evaluate that run again")
    if layout.rows is not None:
        table = table[table[layout.rows[0]] == layout.rows[1]]
    subject = layout.subject if layout.subject in table else layout.case
    return pd.DataFrame(
        {
            "case": table[layout.case].astype(str),
            "subject": table[subject].astype(str),
            "region": table["region"].astype(str) if "region" in table else "",
            "value": table[layout.value].astype(float),
        }
    ).dropna(subset=["value"])


def difference_of_cases(a: pd.DataFrame, b: pd.DataFrame) -> Outcome:
    """Test the difference of the mean over cases, each the mean over its regions.

    Runs that judge the same cases are compared case by case, on the regions that both have there; a subject's cases
    are averaged. Runs that judge other cases are compared as independent groups.

    Args:
        a: what ``read_cases`` returns for the first run.
        b: likewise for the second run.
    """
    if set(a["case"]) != set(b["case"]):
        return unpaired_test(_subject_means(a), _subject_means(b))
    # Several samples of one mask are averaged first: they are no independent cases.
    first, second = (run.groupby(["subject", "case", "region"])["value"].mean() for run in (a, b))
    shared = first.to_frame("a").join(second.rename("b"), how="inner")
    means = shared.groupby(["subject", "case"]).mean().groupby("subject").mean()
    return paired_test(means["a"].to_numpy(), means["b"].to_numpy())


def _subject_means(cases: pd.DataFrame) -> np.ndarray:
    means: np.ndarray = cases.groupby(["subject", "case"])["value"].mean().groupby("subject").mean().to_numpy()
    return means
