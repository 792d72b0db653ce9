"""Cells of CSV tables: text that a spreadsheet would take for a formula is written so that it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def neutral(cell: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula; numbers, also as text, stay as they are.

    Example:
        >>> neutral("=1+1"), neutral("odd vessels"), neutral(-4.5), neutral("-4.5")
        ("'=1+1", 'odd vessels', -4.5, '-4.5')
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) and not _is_number(cell) else cell


def plain(cell: str) -> str:
    """Return a cell as it was before ``neutral``.

    Example:
        >>> plain("'=1+1"), plain("'tis")
        ('=1+1', "'tis")
    """
    return cell[1:] if cell[:1] == "'" and neutral(cell[1:]) == cell else cell


def neutral_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose headings and cells are ``neutral``."""
    text = table.select_dtypes(exclude="number").columns
    return table.assign(**{name: table[name].map(neutral) for name in text}).rename(columns=neutral)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
