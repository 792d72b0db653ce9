"""``--emit-sbatch``: a script in place of the work."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.run import fit, run
from cli.submission import NOT_OF_FIT, OWN, without


def test_options_that_say_where_are_left_out_however_they_are_written() -> None:
    words = ["-m", "real", "--engine=slurm", "--engine-option", "time=1", "--engine-option=mem=1G", "--seed", "1"]
    assert without(words, ["--engine", "--engine-option"]) == ["-m", "real", "--seed", "1"]


def test_a_training_is_given_no_option_that_fit_lacks() -> None:
    lacking = {*inspect.signature(run).parameters} - {*inspect.signature(fit).parameters}
    words = {f"--{name.replace('_', '-')}" for name in lacking - {"engine_options"}} | {"--engine-option"}
    assert words - {*OWN, *NOT_OF_FIT} == {"--train", "--checkpoint"}  # which exclude each other


def test_a_script_is_written_and_nothing_is_started(
    tmp_path: Path, toy_dataset: str, toy_generator: str, medbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["run", "--model", toy_generator, "--dataset", toy_dataset, "--workers", "3", "--engine-option", "time=5"]
    words += ["--emit-sbatch", "go.sh"]
    monkeypatch.setattr(sys, "argv", ["medbench", *words])
    done = medbench(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["go.sh"]
    text = (tmp_path / "go.sh").read_text(encoding="utf-8")
    assert "--array=1-3" in text
    assert "--time=5" in text
    assert f"cli.main run --model {toy_generator} --dataset {toy_dataset}\n" in text


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--shard", "1/2"), "leave out --shard"),
        (("--engine", "dask"), "leave out --shard and --engine dask"),
        (("--no-resume",), "leave out --no-resume"),
        (("--engine-option", "array=1-9"), "array is medbench's own"),
        (("--preset", "none"), "has no preset 'none'"),
    ],
)
def test_what_belongs_to_no_job_array_is_refused(
    more: tuple[str, ...],
    words: str,
    tmp_path: Path,
    toy_dataset: str,
    toy_generator: str,
    medbench: Callable[..., Any],
    refused: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = ("run", "--model", toy_generator, "--dataset", toy_dataset, *more, "--emit-sbatch", "go.sh")
    monkeypatch.setattr(sys, "argv", ["medbench", *asked])
    assert words in refused(medbench(*asked, cwd=tmp_path))
    assert not list(tmp_path.iterdir())
