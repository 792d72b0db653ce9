"""How the texts of options are read, and that every option of a command arrives."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields

import pytest

from cli import audit, data, evaluate, run
from cli.options import parse_shape
from medbench.audit.audit import AuditOptions
from medbench.errors import SpecError
from medbench.pipeline.options import FolderOptions, RunOptions, TrackOptions

# Read by the commands themselves or under another name.
ELSEWHERE = {
    "choose_by",
    "each",
    "emit_sbatch",
    "log_to",
    "weights",
    "budget",
    "leaderboard",
    "as_json",
    "quiet",
    "debug",
}


@pytest.mark.parametrize(
    ("command", "kind", "own"),
    [
        (run.run, RunOptions, set()),
        (run.fit, RunOptions, set()),
        (run.sample, RunOptions, set()),
        (evaluate.evaluate, FolderOptions, set()),
        (audit.audit_metrics, AuditOptions, {"out"}),
        (data.prepare, TrackOptions, {"name"}),
    ],
)
def test_no_option_of_a_command_is_lost(command: Callable[..., None], kind: type[TrackOptions], own: set[str]) -> None:
    """``asked`` leaves out what is no option of that kind: a parameter named otherwise would be ignored in silence."""
    given = {*inspect.signature(command).parameters}
    assert given - {field.name for field in fields(kind)} - ELSEWHERE == own


@pytest.mark.parametrize("text", ["512x64x8", "512X64X8", " 512,64,8 "])
def test_a_shape_is_three_numbers_with_an_x_or_a_comma_between(text: str) -> None:
    assert parse_shape(text) == (512, 64, 8)


@pytest.mark.parametrize("text", ["", "64x64", "64x64x0", "64x64x-8", "64 64 8", "64x64x8x1", "1000000x1x1"])
def test_other_texts_are_no_shape(text: str) -> None:
    with pytest.raises(SpecError, match="write it like 512x512x256"):
        parse_shape(text)
