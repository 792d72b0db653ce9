"""What the report's page shows, made ready: pictures, tables of parts, summaries of the values behind a number."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from medbench.drawing import text
from medbench.drawing.montage import MONTAGE
from medbench.errors import DataError
from medbench.records.results import Part, Result, StoredFigure

if TYPE_CHECKING:
    import pandas as pd

_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_KEYS: Final = ("region", "plane", "training_set", "side")
_IDENTIFIERS: Final = frozenset({"id", "index", "seed", "subject", "case"})
_MOST_GROUPS: Final = 80


def read_table(tables: Path, result: Result) -> pd.DataFrame | None:
    """Read the values behind a number; None where the file is not there.

    Raises:
        DataError: the file is no readable CSV table.
    """
    import pandas as pd

    path = tables / Path(result.table or "").name
    if not result.table or not path.is_file():
        return None
    try:
        return pd.read_csv(path)
    except ValueError as error:  # pandas' parser errors and undecodable bytes
        raise DataError(f"{path} is no readable CSV table: run the evaluation again") from error


def glance(result: Result) -> dict[str, float | None] | None:
    """Place value, interval and floor (0 to 100) on one line from zero; None where all of them are zero."""
    known = [x for x in (result.value, result.floor, *(result.ci95 or ())) if x is not None]
    start, end = min(0.0, *known), max(0.0, *known)
    if start == end:
        return None

    low, high = result.ci95 or (None, None)
    figures = {"value": result.value, "low": low, "high": high, "floor": result.floor}
    return {name: None if x is None else round(100 * (x - start) / (end - start), 1) for name, x in figures.items()}


def part_tables(parts: Mapping[str, Part]) -> list[tuple[list[str], dict[str, dict[str, float]]]]:
    """Put parts with several figures each into tables (columns, rows): those that share most figures stand together."""
    tables: list[tuple[list[str], dict[str, dict[str, float]]]] = []
    for part, figures in parts.items():
        if not isinstance(figures, dict):
            continue
        for columns, rows in tables:
            if 2 * len(figures.keys() & set(columns)) >= max(len(figures), len(columns)):
                columns += [name for name in figures if name not in columns]
                rows[part] = figures
                break
        else:
            tables.append((list(figures), {part: figures}))
    return tables


def pictures(run: Path, results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return the figures that are there: the montage, those of the results in their order, then others by name.

    Args:
        run: the run folder.
        results: what names its figures.

    Returns:
        A figure each with its file as a URI, width and height in CSS pixels, and the stand-ins behind its numbers.

    Raises:
        DataError: a file is no PNG.
    """
    known: dict[str, tuple[StoredFigure, tuple[str, ...]]] = {MONTAGE.file: (MONTAGE, ())}
    known |= {figure.file: (figure, result.stand_ins) for result in results for figure in result.figures}
    there = [path.relative_to(run).as_posix() for path in sorted((run / "figures").glob("*.png"))]
    for file in there:
        name = text.label(Path(file).stem)
        known.setdefault(file, (StoredFigure(file=file, caption=name, alt=f"Figure: {name}"), ()))
    return [picture(run, *told) for file, told in known.items() if file in there]


def picture(run: Path, figure: StoredFigure, stand_ins: tuple[str, ...]) -> dict[str, Any]:
    """Return a figure with its file as a URI, width and height in CSS pixels, and the stand-ins behind its numbers.

    Args:
        run: the folder that the figure's file is relative to.
        figure: it must be there.
        stand_ins: named substitutes.

    Raises:
        DataError: the file is no PNG.
    """
    content = (run / figure.file).read_bytes()
    if not content.startswith(_PNG_SIGNATURE) or len(content) < 24:
        raise DataError(f"{run / figure.file} is no PNG file: delete it, or make the figure again")
    # medbench's figures have 150 dots an inch, a page 96 pixels
    width, height = (round(int.from_bytes(content[start : start + 4]) * 96 / 150) for start in (16, 20))
    uri = f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"
    return {"uri": uri, "width": width, "height": height, "figure": figure, "stand_ins": stand_ins}


def summary(table: pd.DataFrame) -> dict[str, Any]:
    """Return count, keys, columns and groups of the values behind a number, by region, side and whatever else has keys.

    A group has its names, how many rows it has, and of each column the median, lower and upper quartile, or None.
    """
    keys = [key for key in _KEYS if key in table]
    columns = [name for name in table.select_dtypes("number") if name not in _IDENTIFIERS and name not in keys]
    groups = [(name, part) for name, part in table.groupby(keys, sort=False, dropna=False)] if keys else [((), table)]
    if len(groups) > _MOST_GROUPS:
        groups = []
    shown = [(tuple(map(str, name)), len(part), [_quartiles(part[c]) for c in columns]) for name, part in groups]
    return {"count": len(table), "by": keys, "columns": list(map(str, columns)), "groups": shown}


def _quartiles(values: pd.Series[Any]) -> tuple[float, float, float] | None:
    present = values.dropna()
    if present.empty:
        return None
    low, middle, high = present.quantile([0.25, 0.5, 0.75])
    return float(middle), float(low), float(high)
