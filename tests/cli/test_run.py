"""What a run is not started with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


def test_weights_are_given_by_names_that_something_asks_for(
    tmp_path: Path, refused: Callable[..., Any], medbench: Callable[..., Any]
) -> None:
    (tmp_path / "net.pth").write_bytes(b"")
    arguments = ("evaluate", "absent", "--real", "absent", "--weights", f"radimagent={tmp_path / 'net.pth'}")
    assert "radimagenet-resnet50" in refused(medbench(*arguments))


@pytest.mark.parametrize(
    ("text", "words"),
    [("def broken(:\n", "cannot be imported"), ("class Mine:\n    pass\n", "has no 'info'")],
)
def test_a_plugin_file_that_is_none_is_named(
    text: str, words: str, tmp_path: Path, refused: Callable[..., Any], medbench: Callable[..., Any]
) -> None:
    (tmp_path / "mine.py").write_text(text, encoding="utf-8")
    arguments = ("run", "--model", f"{tmp_path / 'mine.py'}:Mine", "--dataset", "phantom")
    line = refused(medbench(*arguments, cwd=tmp_path))
    assert "mine.py" in line
    assert words in line
