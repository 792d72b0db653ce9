"""``medbench doctor``."""

from __future__ import annotations

from rich.table import Table

from cli.session import DebugOption, JsonOption, QuietOption, session


def doctor(as_json: JsonOption = False, quiet: QuietOption = False, debug: DebugOption = False) -> None:
    """Show what works here, what is missing, and how to get it."""
    with session(quiet=quiet, debug=debug) as ui:
        from medbench.health import checks

        rows = checks()
        if as_json:
            ui.print_json(rows)
            return
        table = Table(box=None, pad_edge=False)
        for heading in ("check", "", "detail", "mend"):
            table.add_column(heading, overflow="fold")
        for row in rows:
            table.add_row(str(row["check"]), "ok" if row["ok"] else "missing", str(row["detail"]), str(row["mend"]))
        ui.out.print(table)
