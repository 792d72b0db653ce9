"""One value a case, from the tables of runs whose metric judges case by case."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medbench.errors import DataError
from medbench.records.results import CaseColumns
from medbench.statistics.significance import Outcome, paired_test, unpaired_test

if TYPE_CHECKING:
    import pandas as pd


def read_cases(path: Path, columns: CaseColumns) -> pd.DataFrame:
    """Return the rows that count, with the columns ``case``, ``subject``, ``region`` and ``value``.

    Args:
        path: the metric's table.
        columns: how it names its cases.

    Raises:
        DataError: the table is absent, damaged or lacks a column.
    """
    import pandas as pd

    try:
        # Names are words, also where they look like numbers: 01 is not 1, nor is a hash like 12e34 infinite.
        kind = (columns.rows or ())[:1]
        names = (columns.case, columns.subject or columns.case, "region", *kind)
        table = pd.read_csv(path, dtype=dict.fromkeys(names, str))
    except FileNotFoundError as error:
        raise DataError(f"{path} is not there: evaluate that run again") from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no table: evaluate that run again") from error
    if "side" in table:
        table = table[table["side"] == "synthetic"]
    missing = [name for name in (columns.value, columns.case, *kind) if name not in table]
    if missing:
        raise DataError(f"{path} lacks the column {missing[0]}: evaluate that run again")
    if columns.rows is not None:
        table = table[table[columns.rows[0]] == columns.rows[1]]
    subject = columns.subject if columns.subject in table else columns.case
    return pd.DataFrame(
        {
            "case": table[columns.case].astype(str),
            "subject": table[subject].astype(str),
            "region": table["region"].astype(str) if "region" in table else "",
            "value": table[columns.value].astype(float),
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
