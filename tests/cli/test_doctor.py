"""``medbench doctor``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from typer.testing import CliRunner

from cli.main import app


def test_doctor_says_what_works_and_what_to_do(medbench: Callable[..., Any]) -> None:
    rows = json.loads(medbench("doctor", "--json").stdout)
    assert all(set(row) == {"check", "ok", "detail", "mend"} for row in rows)
    radimagenet = next(row for row in rows if row["check"] == "weights radimagenet-resnet50")
    assert not radimagenet["ok"]
    assert "MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50" in radimagenet["mend"]
    lines = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "60"}).stdout.splitlines()
    assert radimagenet["mend"] in [line.strip() for line in lines], "a command that is broken up cannot be copied"
