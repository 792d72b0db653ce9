"""The tables of the source papers, row by row with their citations: reported, not measured here."""

from __future__ import annotations

import functools
import re
from importlib import resources
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

MARK: Final = "reported, not measured here"
"""Stands wherever such a row is shown."""


class ReportedRow(BaseModel):
    """A figure as a paper or README states it.

    Args:
        model: as the source names it.
        dataset: likewise.
        metric: likewise, with what the source says about its kind.
        value: in the source's unit.
        spread: standard deviation, interquartile range or what the note says; None where the source has none.
        n: volumes behind it, where the source says so.
        better: which way is better, where that has a meaning.
        structure: the organ, where the figure is of one.
        variant: the model's configuration, where the source tells several.
        source: paper and table.
        note: what a reader should know.
        verified: ``secondary`` where the source quotes another one that was not read itself.
        like: the metric of medbench that measures the same thing, though never under the same protocol.
    """

    model: str
    dataset: str
    metric: str
    value: float
    spread: float | None = None
    n: int | None = None
    better: Literal["lower", "higher"] | None = None
    structure: str | None = None
    variant: str | None = None
    source: str
    note: str | None = None
    verified: Literal["secondary"] | None = None
    like: str | None = None

    model_config = ConfigDict(frozen=True, extra="forbid")

    @property
    def name(self) -> str:
        """The model with its configuration."""
        return f"{self.model} ({self.variant})" if self.variant else self.model


def reported_rows(*, dataset: str | None = None, source: str | None = None) -> list[ReportedRow]:
    """Return reported figures in the order of their tables.

    Args:
        dataset: those of one data set, under any of its usual names (``luna``: LUNA, LUNA16); all where None.
        source: those whose source contains this text, such as ``MedLoRD paper, Table 1``; all where None.

    Example:
        >>> [(row.model, row.value) for row in reported_rows(dataset="luna", source="MedLoRD paper, Table 1")][:2]
        [('MedLoRD', 3.62), ('MAISI_PT', 3.33)]
    """
    return [
        row
        for row in _all()
        if (dataset is None or _key(row.dataset) == _key(dataset)) and (source is None or source in row.source)
    ]


@functools.cache
def _all() -> tuple[ReportedRow, ...]:
    text = resources.files("leaderboard.reported").joinpath("rows.json").read_bytes()
    return tuple(TypeAdapter(list[ReportedRow]).validate_json(text))


def _key(dataset: str) -> str:
    """Return a data set's name without case, signs and the year or number that some write behind it."""
    return re.sub(r"[^a-z]", "", dataset.lower())
