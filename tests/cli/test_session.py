"""How errors become exit codes."""

from __future__ import annotations

import pytest
import typer
from rich.table import Table

from cli.session import session
from medbench.errors import BudgetExceededError, DataError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DataError("x.nii.gz is empty: copy it again"), 2),
        (BudgetExceededError("stage sample needs more"), 3),
        (KeyboardInterrupt(), 130),
        (RuntimeError("a defect"), 1),
    ],
)
def test_exit_codes(error: BaseException, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as end, session(quiet=True):
        raise error
    assert end.value.exit_code == code
    captured = capsys.readouterr()
    assert captured.err.startswith("medbench: ")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_an_interruption_says_how_to_resume(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit), session():
        raise KeyboardInterrupt
    assert "run the same command again" in capsys.readouterr().err


def test_debug_lets_the_traceback_through() -> None:
    with pytest.raises(DataError), session(debug=True):
        raise DataError("x")


def test_what_stands_in_square_brackets_is_printed_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table()
    table.add_column("seen")
    table.add_row("from 3 [mm]")
    with session() as ui:
        ui.out.print(table)
        ui.out.print("scan[left].nii.gz")
        ui.errors.print("[/red] is no end of anything")
    captured = capsys.readouterr()
    assert "from 3 [mm]" in captured.out
    assert "scan[left].nii.gz" in captured.out
    assert captured.err == "[/red] is no end of anything\n"
