"""What the gate noticed, as a table and as an error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from medbench.errors import DataError, GeometryError, IntensityError
from medbench.evaluation.gate.facts import Facts
from medbench.imaging.findings import Finding, Severity

ORDER: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class SideReport:
    """The facts about one side of a comparison.

    Args:
        name: "real", "synthetic" or "held-out".
        volumes: file (or case) and facts, in the side's order.
    """

    name: str
    volumes: tuple[tuple[str, Facts], ...]


def rows(findings: Iterable[Finding]) -> list[dict[str, str | int]]:
    """Return a table with one row for each severity and check, for ``pandas.DataFrame`` or a terminal.

    Returns:
        Rows with the keys severity, check, files (how many), example (the first file) and detail (about it).
    """
    grouped: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        grouped[finding.severity, finding.check].append(finding)
    return [
        {"severity": severity, "check": check, "files": len(same), "example": same[0].file, "detail": same[0].detail}
        for (severity, check), same in grouped.items()
    ]


def raise_on_errors(findings: Iterable[Finding]) -> None:
    """Refuse to go on where a number would be meaningless.

    Raises:
        IntensityError: a volume that cannot be in HU: scaled, constant, a label map.
        GeometryError: grids that differ where no canonical grid is given.
        DataError: a side without volumes.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        first = errors[0]
        more = f" (and {len(errors) - 1} more such findings)" if len(errors) > 1 else ""
        raise _ERRORS[first.check](f"{first.file}: {first.detail}{more}")


_ERRORS: dict[str, type[DataError]] = {
    "empty": DataError,
    "constant": IntensityError,
    "not_hu": IntensityError,
    "label_map": IntensityError,
    "grid": GeometryError,
}
