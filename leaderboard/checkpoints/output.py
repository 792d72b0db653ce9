"""What a choice leaves behind: ``choice.json``, ``curve.csv`` and ``curve.png``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from leaderboard.checkpoints.choice import CHOSEN, Choice, Judged
from leaderboard.checkpoints.curve import draw
from medbench.records.results import Report
from medbench.storage.cells import neutral
from medbench.storage.files import write_json, write_text

DOCUMENT, TABLE, CURVE = "choice.json", "curve.csv", "curve.png"
SAME_SAMPLES: Final = (
    "The reported value rests on the same samples that won the choice, which flatters it a little: sample the chosen "
    "checkpoint again with another seed for one that does not."
)
_COLUMNS: Final = (
    "checkpoint", "step", "metric", "value", "ci_low", "ci_high", "floor", "better", "n_real", "n_synthetic",
    "fingerprint", "chosen", "reason",
)  # fmt: skip


def document(judged: Sequence[Judged], choice: Choice, words: str, report: Report) -> dict[str, Any]:
    """Return all of it as JSON has it.

    Args:
        judged: every checkpoint on the volumes that the choice is made by.
        choice: what was chosen.
        words: how the real volumes were divided.
        report: the chosen one on volumes that no checkpoint has met.
    """
    return {
        "schema": 1,
        "chosen": choice.checkpoint.name,
        "by": choice.metric,
        "not_told_apart": list(choice.ties),
        "real": words,
        "note": SAME_SAMPLES,
        "checkpoints": [
            {
                "checkpoint": one.checkpoint.name,
                "step": one.checkpoint.step,
                "samples": str(one.checkpoint.samples),
                "reason": one.reason or None,
                "results": [
                    {name: row[name] for name in ("metric", "value", "floor", "n_real", "n_synthetic", "fingerprint")}
                    | {"ci95": None if row["ci_low"] is None else [row["ci_low"], row["ci_high"]]}
                    for row in _rows(one, choice)
                    if row["metric"]
                ],
            }
            for one in judged
        ],
        "reported": report.model_dump(mode="json", by_alias=True),
        "report": f"{CHOSEN}/report.html",
    }


def write(out: Path, judged: Sequence[Judged], choice: Choice, words: str, report: Report) -> dict[str, Any]:
    """Write the three files, and return the document; see ``document``."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for one in judged:
        for row in _rows(one, choice):
            writer.writerow({name: neutral(cell) for name, cell in row.items()})
    write_text(out / TABLE, text.getvalue())
    draw(judged, choice, out / CURVE)
    found = document(judged, choice, words, report)
    write_json(out / DOCUMENT, found)
    return found


def _rows(one: Judged, choice: Choice) -> Iterator[dict[str, Any]]:
    """Yield one row a number; one without a number for a checkpoint that has none."""
    head = {"checkpoint": one.checkpoint.name, "step": one.checkpoint.step}
    head["chosen"] = one.checkpoint.name == choice.checkpoint.name
    for result in one.report.results if one.report else ():
        low, high = result.ci95 or (None, None)
        same = ("metric", "value", "floor", "better", "n_real", "n_synthetic", "fingerprint")
        yield {**head, **{name: getattr(result, name) for name in same}, "ci_low": low, "ci_high": high}
    if one.report is None:
        yield {**head, "metric": None, "reason": one.reason}
