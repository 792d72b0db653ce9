"""What fits on a few screens can be read: no module over 300 lines, no function over 60."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("medbench", "medbench_models", "leaderboard", "cli")
MOST_LINES = 300
MOST_LINES_OF_A_FUNCTION = 60


def _modules() -> Iterator[tuple[str, str]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def test_no_module_is_too_long() -> None:
    lengths = {path: len(text.splitlines()) for path, text in _modules()}
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}


def test_no_function_is_too_long() -> None:
    """From its first line to its last, docstring included: what a reader must hold in mind at once."""
    lengths = {
        f"{path} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, text in _modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    }
    assert {name: lines for name, lines in lengths.items() if lines > MOST_LINES_OF_A_FUNCTION} == {}
