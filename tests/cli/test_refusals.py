"""What the machine refuses, told in one line that ends with exit code 2."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from cli.refusals import refusal
from cli.session import session
from medbench import plugin_files


def _numpys() -> BaseException:
    try:
        np.empty(10**18)
    except MemoryError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "memory does not suffice (MemoryError): take smaller volumes"),
        (_numpys(), "Unable to allocate"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "memory does not suffice",
        ),
        (RuntimeError("can't start new thread"), "give --workers 1"),
        (OSError(errno.EFBIG, "File too large", "/data/x.npz"), "/data/x.npz: files may not become that large here"),
        (OSError(errno.ENOSPC, "No space left"), "a file: the disk is full"),
        (OSError(errno.EACCES, "Permission denied", "scan\n1.nii"), "permission denied"),
    ],
)
def test_the_machine_refuses_in_one_line(error: BaseException, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert words in str(refusal(error))
    with pytest.raises(typer.Exit) as end, session():
        raise error
    assert end.value.exit_code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_other_errors_are_no_refusals() -> None:
    assert refusal(RuntimeError("a defect")) is None
    assert refusal(OSError(errno.ENOTTY, "no typewriter")) is None


@pytest.mark.parametrize("fault", ["1 / 0", "raise SystemExit(0)"])
def test_a_plugin_that_fails_is_named_with_its_line(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.py").write_text(f"def run():\n    {fault}\n")
    module = plugin_files.import_file(tmp_path / "mine.py")
    with pytest.raises(typer.Exit) as end, session():
        module.run()
    assert end.value.exit_code == 2
    assert f"{tmp_path / 'mine.py'} line 2: the plug-in failed" in capsys.readouterr().err


def test_a_name_that_is_too_long_is_refused(
    folders: dict[str, Path], tmp_path: Path, refused: Callable[..., Any], medbench: Callable[..., Any]
) -> None:
    for arguments in (
        (folders["near"], "--real", folders["real"], "--metrics", "mmd3d", "--out", "x" * 300),
        ("x" * 300, "--real", folders["real"]),
    ):
        assert "the name is too long" in refused(medbench("evaluate", *arguments, cwd=tmp_path))
