"""Put an audit's table between the marks of docs/audit.md, and its figure beside it: give the folder of the audit."""

import json
import shutil
import sys
from pathlib import Path

from medbench.audit.damages import KINDS
from medbench.audit.figure import seen, title
from medbench.audit.ladder import AuditRow

BEGIN, END = "<!-- audit: written by make_audit_page.py -->", "<!-- end of audit -->"


def write(audit: Path, page: Path) -> None:
    """Write what the folder of an audit holds to a page; what lies outside the marks stays."""
    found = json.loads((audit / "audit.json").read_text(encoding="utf-8"))
    rows = [AuditRow(**row) for row in found["rows"]]
    metrics = list(dict.fromkeys(row.metric for row in rows))
    lines = [f"{found['about'][0].upper()}{found['about'][1:]}.", "", f"| damage | strengths | {' | '.join(metrics)} |"]
    lines += [f"| --- | --- |{' --- |' * len(metrics)}"]
    for kind in KINDS:
        if of_kind := [row for row in rows if row.damage == kind.name]:
            strengths = ", ".join(f"{strength:g}" for strength in kind.strengths)
            line = " | ".join(_cell(row) for row in of_kind)
            lines.append(f"| {title(kind.name)} ({kind.summary}) | {strengths} {kind.unit} | {line} |")
    lines += ["", *(f"- {metric} {_blind([row for row in rows if row.metric == metric])}." for metric in metrics)]
    lines += ["", *(f"- {what} left out: {reason}" for what, reason in found["left_out"].items())]
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    table = "\n".join(lines).rstrip()
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
    shutil.copyfile(audit / "figures" / "audit.png", page.with_suffix(".png"))


def _cell(row: AuditRow) -> str:
    return seen(row) + ("" if row.rank_correlation is None else f" ({row.rank_correlation:+.1f})")


def _blind(rows: list[AuditRow]) -> str:
    undetected = [row for row in rows if row.detected_from is None]
    missed = ", ".join(title(row.damage) for row in undetected if row.reversed_from is None)
    preferred = ", ".join(title(row.damage) for row in undetected if row.reversed_from is not None)
    said = f"does not see: {missed}" if missed else "is blind to none of these"
    return said + (f"; prefers to real volumes: {preferred}" if preferred else "")


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(__file__).with_name("audit.md"))
