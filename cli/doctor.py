"""``medbench doctor``."""

from __future__ import annotations

from cli.session import Session, in_session

_INDENT = 9


@in_session
def doctor(ui: Session) -> None:
    """Show what works here, what is missing, and how to get it."""
    from medbench.doctor import checks

    rows = checks()
    lines = []
    for row in rows:
        state = "ok" if row["ok"] else "missing"
        lines.append(f"{state:<{_INDENT}}{row['check']}: {row['detail']}")
        if row["mend"]:
            lines.append(f"{'':<{_INDENT}}{row['mend']}")
    ui.tell(rows, *lines)
