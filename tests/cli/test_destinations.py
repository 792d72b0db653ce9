"""Where results go, as a user asks for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench import extras


def test_an_evaluation_is_logged_where_it_was_asked_for(
    folders: dict[str, Path], tmp_path: Path, medbench: Callable[..., Any]
) -> None:
    arguments = (
        "evaluate",
        folders["near"],
        "--real",
        folders["real"],
        "--metrics",
        "fid25d",
        "--out",
        tmp_path / "out",
    )
    to = ("--log-to", f"tensorboard:{tmp_path / 'board'}", "--leaderboard", "none", "--quiet")
    found = medbench(*arguments, *to)
    assert found.returncode == 0, found.stderr
    (told,) = [line for line in found.stdout.splitlines() if line.startswith("tensorboard: ")]
    assert list(Path(told.removeprefix("tensorboard: ")).glob("events.out.tfevents.*"))
    again = medbench(*arguments, *to, "--json")
    assert again.stdout.startswith("{")
    assert told in again.stderr


def test_a_library_that_is_absent_is_said_before_anything_is_read(
    folders: dict[str, Path], tmp_path: Path, medbench: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    arguments = ("evaluate", folders["near"], "--real", tmp_path / "nowhere", "--log-to", "mlflow", "--out", tmp_path)
    assert 'python -m pip install "medbench[track]"' in refused(medbench(*arguments))
