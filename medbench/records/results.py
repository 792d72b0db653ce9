"""The records of a run: ``results.json`` and what its numbers carry."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medbench.errors import DataError
from medbench.storage.checksums import with_checksum, without_checksum
from medbench.storage.files import write_json

if TYPE_CHECKING:
    import pandas as pd

Part = float | dict[str, float]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StageMemory(_Record):
    """Peak memory (bytes) and wall time (s) of one stage; device figures are None without a CUDA device."""

    allocated_bytes: int | None
    reserved_bytes: int | None
    process_bytes: int | None
    rss_bytes: int
    seconds: float
    card_bytes: int | None = Field(None, description="memory of the whole card")
    exceeded: bool = Field(False, description="the stage was stopped, since it wanted more than the budget")


class TensorMemory(_Record):
    """A tensor that is alive at a predicted peak; ``layer`` makes it."""

    bytes: int
    shape: tuple[int, ...]
    dtype: str
    layer: str


class StagePrediction(_Record):
    """What a stage was predicted to need on a GPU before it began.

    Args:
        shape: voxels (x, y, z) of the volumes.
        peak_bytes: in all.
        tensor_bytes: the live tensors alone.
        largest_tensors: those of the peak, largest first.
    """

    shape: tuple[int, int, int]
    peak_bytes: int
    tensor_bytes: int
    largest_tensors: tuple[TensorMemory, ...]


class Budget(_Record):
    """The VRAM that fit and sample may use, and how that was checked.

    ``measured`` where both ran on a CUDA device; else ``predicted`` where the generator predicts; else ``absent``.
    """

    limit_bytes: int
    kind: Literal["measured", "predicted", "absent"]
    card: Literal["real", "capped", "none"]
    within: bool | None
    stages: dict[str, StageMemory] = {}
    predicted: dict[str, StagePrediction] = {}


class Against(_Record):
    """A value against the training and against the held-out split at equal counts: the gap is a sign of copying.

    Args:
        n: real volumes on either side.
        train: mean of the values against random parts of the reference of that size.
        train_values: the values behind ``train``.
        held_out: the value against the held-out split.
        gap: how much better the value against the training split is; near 0 for a generator that does not copy.
        gap_limit: what the gap exceeds by chance in the choice of volumes in 5 % of cases, from the spread of
            ``train_values``; None with fewer than three of them.
    """

    n: int
    train: float
    train_values: tuple[float, ...]
    held_out: float
    gap: float
    gap_limit: float | None


class Resampled(_Record):
    """The value without one group of subjects after another, and how many subjects each group has.

    ``units`` is a fingerprint of the label maps that each group was made from, where each subject has one of its own:
    runs that share it are compared label map by label map.
    """

    values: tuple[float, ...]
    sizes: tuple[int, ...]
    units: str | None = None


class CaseColumns(_Record):
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


@dataclass(frozen=True)
class Definition:
    """What a part of a value is, in one line, and its unit; None: a pure number."""

    meaning: str
    unit: str | None = None


class StoredFigure(_Record):
    """A figure of a run: its path relative to the run folder, and what the report says of it."""

    file: str
    caption: str
    alt: str
    dark: bool = False


class Result(_Record):
    """One metric's number with everything that it needs to be read."""

    metric: str
    summary: str = Field("", description="what the metric measures, in one sentence")
    value: float
    ci95: tuple[float, float] | None
    ci_method: str
    floor: float | None = Field(description="what 'perfect' scores: the same metric between real volumes")
    floor_note: str | None = Field(None, description="how the floor was made, or why there is none")
    floor_values: tuple[float, ...] = Field((), description="the value in each split behind the floor")
    floor_counts: Literal["same", "carried", "other"] | None = Field(
        None,
        description="whether that floor is at the value's counts, carried on to them, or at others: then no verdict",
    )
    ceiling: float | None = Field(None, description="the best that the instruments allow")
    ceiling_note: str | None = Field(None, description="how the ceiling was made, or why there is none")
    against: Against | None = Field(None, description="training against held-out split; None where it cannot be had")
    better: Literal["lower", "higher"]
    unit: str | None
    n_real: int
    n_synthetic: int
    parts: dict[str, Part]
    floor_parts: dict[str, Part] = {}
    definitions: dict[str, Definition] = Field({}, description="of the parts, and of the figures of each region")
    fingerprint: str
    protocol: dict[str, Any]
    stand_ins: tuple[str, ...] = Field((), description="named offline substitutes that took part")
    notes: tuple[str, ...] = Field((), description="what a reader of the value should know")
    seconds: float
    replicates: dict[str, Resampled] = Field({}, description="by side; two runs are compared with them")
    table: str | None = Field(description="path of the values behind the number, relative to the run folder")
    cases: CaseColumns | None = Field(None, description="how the table names cases; None: they cannot be paired")
    figures: tuple[StoredFigure, ...] = Field((), description="what was drawn of it")


class Skipped(_Record):
    """A number that could not be computed, and why."""

    metric: str
    reason: str
    exit_code: Literal[0, 1, 2] = Field(
        0, description="what a command ends with: 0: it is not to be had here; 2: bad input; 1: the metric crashed"
    )


def by_cause(skipped: Iterable[Skipped]) -> dict[str, str]:
    """Return the metrics that could not be computed, as a list in words, by their reason.

    Example:
        >>> by_cause([Skipped(metric="rvr", reason="no masks"), Skipped(metric="hu", reason="no masks")])
        {'no masks': 'rvr, hu'}
    """
    found: dict[str, list[str]] = {}
    for one in skipped:
        found.setdefault(one.reason, []).append(one.metric)
    return {reason: ", ".join(metrics) for reason, metrics in found.items()}


class Report(_Record):
    """``results.json``: what ``medbench.evaluate`` returns."""

    schema_version: Literal[1] = Field(1, alias="schema")
    run: str
    model: str
    model_version: str | None
    dataset: str
    track: str
    budget: Budget
    leaks: tuple[str, ...] = ()
    gate: tuple[dict[str, str | int], ...] = Field((), description="what the gate found, one row a check")
    results: tuple[Result, ...]
    skipped: tuple[Skipped, ...] = ()

    model_config = ConfigDict(populate_by_name=True)

    def save(self, folder: Path | str) -> Path:
        """Write ``results.json`` into a folder, whole or not at all; return its path."""
        path = Path(folder) / "results.json"
        write_json(path, with_checksum(self.model_dump(mode="json", by_alias=True)))
        return path

    @classmethod
    def read(cls, path: Path | str) -> Report:
        """Read a ``results.json``.

        Raises:
            DataError: absent, damaged, changed after it was written, or of an unknown schema.
        """
        path, mend = Path(path), "run the command that made it again"
        try:
            document = json.loads(path.read_bytes())
            found = document.get("schema") if isinstance(document, dict) else None
            if isinstance(found, int) and found > 1:
                raise DataError(f"{path} was written by a newer medbench (schema {found}, this one reads 1): update it")
            return cls.model_validate(without_checksum(document))
        except FileNotFoundError as error:
            raise DataError(f"{path} does not exist: run 'medbench evaluate' or 'medbench run' first") from error
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}: allow it, or choose another run") from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ": ".join(filter(None, (".".join(str(part) for part in first["loc"]), first["msg"])))
            raise DataError(f"{path} is no results.json of schema 1 ({where}): {mend}") from error
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path} is no results.json of schema 1 ({error}): {mend}") from error

    def frame(self) -> pd.DataFrame:
        """Return one row a metric and part (``part`` is empty for the metric's value itself)."""
        import pandas as pd

        rows: list[dict[str, object]] = []
        for result in self.results:
            head = {"metric": result.metric, "fingerprint": result.fingerprint}
            low, high = result.ci95 or (None, None)
            rows.append(
                {**head, "part": "", "value": result.value, "ci_low": low, "ci_high": high, "floor": result.floor}
            )
            for part, figures in result.parts.items():
                named = {part: figures}
                if isinstance(figures, dict):
                    named = {f"{part}.{name}": figure for name, figure in figures.items()}
                rows += [{**head, "part": name, "value": figure} for name, figure in named.items()]
        return pd.DataFrame(rows)
