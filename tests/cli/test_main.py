"""The console script: exit codes, and one line for whatever goes wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.main import app
from medbench import registry


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--model", "medlrod", "--dataset", "phantom"], "did you mean medlord"),
        (["run", "--model", "real", "--dataset", "fantom"], "did you mean phantom"),
        (["run", "--model", "real", "--dataset", "phantom", "--metrics", "fid2d"], "did you mean fid25d"),
        (["run", "--model", "real", "--dataset", "phantom", "--protocol", "fantom-2.5d"], "did you mean phantom-2.5d"),
        (["run", "--model", "real", "--dataset", "phantom", "--preset", "big"], "choose from"),
        (["run", "--model", "real", "--dataset", "phantom", "--budget", "much"], "is no memory size"),
        (["run", "--model", "real", "--dataset", "phantom", "--device", "tpu"], "is no device"),
        (["run", "--model", "real", "--dataset", "phantom", "--samples", "17"], "lower --samples"),
        (["run", "--model", "real", "--dataset", "luna"], "--data-root"),
        (["run", "--model", "real", "--dataset", "phantom", "--weights", "x=absent.pth"], "file that exists"),
        (["evaluate", "absent", "--real", "absent"], "no such folder"),
        (["evaluate", "absent"], "either --dataset NAME or --real DIR"),
        (["report", "absent"], "is no run folder"),
    ],
)
def test_bad_input_gets_one_line(
    arguments: list[str], words: str, tmp_path: Path, refused: Callable[..., Any], medbench: Callable[..., Any]
) -> None:
    assert words in refused(medbench(*arguments, cwd=tmp_path))
    assert not list(tmp_path.rglob("results.json"))


def test_the_console_script_ends_with_the_exit_code_and_one_line(
    tmp_path: Path, refused: Callable[..., Any], medbench: Callable[..., Any]
) -> None:
    command = [str(Path(sys.executable).with_name("medbench")), "evaluate", "absent", "--real", "absent"]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, check=False)
    line = refused(result)
    assert result.stderr.strip() == line


def test_unexpected_failures_name_the_log(
    folders: dict[str, Path], tmp_path: Path, refused: Callable[..., Any], medbench: Callable[..., Any]
) -> None:
    (tmp_path / "broken.py").write_text(
        "from medbench.metrics.fid25d.metric import Fid25d\n"
        "class Broken(Fid25d):\n    def measure(self, evidence):\n        raise RuntimeError('a defect')\n"
    )
    arguments = ("evaluate", folders["near"], "--real", folders["real"], "--out", tmp_path / "out")
    result = medbench(*arguments, "--metrics", f"{tmp_path / 'broken.py'}:Broken")
    line = refused(result, code=1)
    assert "a defect" in line
    (log,) = (tmp_path / "out" / "logs").iterdir()
    assert "Traceback" in log.read_text(encoding="utf-8")


def test_misspelt_options_get_one_line_too(refused: Callable[..., Any], medbench: Callable[..., Any]) -> None:
    for arguments in (["run", "--modl", "x"], ["nonsense"], ["evaluate"]):
        command = [str(Path(sys.executable).with_name("medbench")), *arguments]
        result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
        assert "--help' shows" in refused(result)


def test_the_version_is_the_packages(medbench: Callable[..., Any]) -> None:
    assert medbench("--version").stdout.startswith("medbench ")


def _installed(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("medbench")), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False, env=environment)


@pytest.mark.parametrize("arguments", [(), ("data",), ("leaderboard",)])
def test_without_a_command_there_is_help_and_no_failure(arguments: tuple[str, ...]) -> None:
    shown = _installed(*arguments)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Commands" in shown.stdout


def _commands() -> list[tuple[str, ...]]:
    tree = typer.main.get_command(app)
    groups = {name: command for name, command in tree.commands.items() if hasattr(command, "commands")}
    return [
        (),
        *((name,) for name in tree.commands),
        *((name, own) for name, group in groups.items() for own in group.commands),
    ]


def test_every_command_knows_the_short_form_of_help(medbench: Callable[..., Any]) -> None:
    commands = _commands()
    assert ("fit",) in commands and ("list", "metrics") in commands
    for arguments in commands:
        shown = medbench(*arguments, "-h")
        assert shown.returncode == 0 and "--help" in shown.stdout, arguments


def _options(medbench: Callable[..., Any], command: str) -> set[str]:
    return set(re.findall(r"--[a-z][a-z-]+", medbench(command, "--help").stdout))


def test_a_training_shows_no_options_that_it_does_not_use(medbench: Callable[..., Any]) -> None:
    whole, fit, sample = (_options(medbench, command) for command in ("run", "fit", "sample"))
    assert {"--set", "--preset", "--seed", "--budget", "--resume", "--protocol", "--weights", "--force"} <= fit
    unused = {"--samples", "--metrics", "--checkpoint", "--conditional", "--leaderboard", "--segmenter", "--workers"}
    assert unused <= whole and not unused & fit
    assert not {"--leaderboard", "--metrics", "--segmenter"} & sample and "--samples" in sample


def test_what_a_training_passes_on_is_taken_all_the_same(
    tmp_path: Path, medbench: Callable[..., Any], refused: Callable[..., Any]
) -> None:
    """A run that goes on in its folder is known by them."""
    wrong = ("--model", "real", "--dataset", "phantom", "--samples", "0")
    assert "--samples must be at least 1" in refused(medbench("fit", *wrong, cwd=tmp_path))
    assert medbench("fit", *wrong, "--leaderboard", "none", cwd=tmp_path).returncode == 2


def test_what_is_no_terminal_gets_lines_that_are_whole() -> None:
    """For ``grep``, and for a log that is read on a wider screen."""
    protocols = {line.strip() for line in _installed("list", "protocols").stdout.splitlines()}
    assert max(map(len, protocols)) > 120
    assert any(
        line.startswith("As medlord-2.5d, ") and line.endswith("a second opinion on a ranking.") for line in protocols
    )
    names = registry.names("metrics")
    [metrics] = [line for line in _installed("list").stdout.splitlines() if line.startswith("metrics")]
    assert metrics.rstrip().endswith(", ".join(names))
