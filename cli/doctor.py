"""``medbench doctor``."""

from __future__ import annotations

from cli.session import Session, in_session

_INDENT = 9


@in_session
def doctor(ui: Session) -> None:
    """Show what works here, what is missing, and how to get it."""
    from medbench.health import checks

    rows = checks()
    if ui.as_json:
        ui.print_json(rows)
        return
    for row in rows:
        state = "ok" if row["ok"] else "missing"
        ui.out.print(f"{state:<{_INDENT}}{row['check']}: {row['detail']}", soft_wrap=True)
        if row["mend"]:  # on one line, so that its commands can be copied
            ui.out.print(f"{'':<{_INDENT}}{row['mend']}", soft_wrap=True)
