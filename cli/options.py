"""The options that commands share, and how their texts are read."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from medbench.budget.meter import parse_bytes
from medbench.errors import SpecError
from medbench.pipeline.options import TrackOptions, split_names, use_weight_files

Asked = TypeVar("Asked", bound=TrackOptions)

Model = Annotated[
    str, typer.Option("--model", "-m", help="Generator: a name of 'medbench list models' or path/to/file.py:Class.")
]
DatasetName = Annotated[str, typer.Option("--dataset", "-d", help="Data set: a name of 'medbench list datasets'.")]
Preset = Annotated[
    str | None, typer.Option(help="One of the generator's presets, or a TOML file; its first where not given.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE: change a setting of the preset, like stage2.steps=10000; may be repeated."),
]
Metrics = Annotated[
    str, typer.Option(help="Comma-separated metrics, or 'all'; those that train no network where not given.")
]
SegmenterName = Annotated[
    str | None, typer.Option("--segmenter", help="Another segmenter than the protocol's; 'precomputed' takes masks.")
]
ProtocolName = Annotated[
    str | None, typer.Option("--protocol", help="A name of 'medbench list protocols' or a TOML file.")
]
DataRoot = Annotated[Path | None, typer.Option(help="The folder that holds the data set (else MEDBENCH_DATA/NAME).")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1, help="Processes, or jobs at a time, that work on volumes; as many as are worth it where not given."
    ),
]
EngineName = Annotated[
    str, typer.Option("--engine", help="Where they run: local, slurm (jobs of a cluster) or dask (its workers).")
]
EngineOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--engine-option",
        help="KEY=VALUE, may be repeated. slurm: any long option of sbatch, like partition=gpu or time=2:00:00; dask: "
        "scheduler=tcp://HOST:8786.",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard",
        help="I/N: do part I of N, beside other commands; the same command without it finishes and reports.",
    ),
]
Weights = Annotated[
    list[str] | None, typer.Option("--weights", help="NAME=FILE: weights of a feature network or segmenter.")
]
LeaderboardUrl = Annotated[
    str | None,
    typer.Option(
        "--leaderboard",
        help="An SQLite file or postgresql://USER@HOST/NAME; MEDBENCH_HOME/leaderboard.sqlite if not given.",
    ),
]
RunsLeaderboard = Annotated[
    str | None,
    typer.Option(
        "--leaderboard",
        help="The leaderboard that gains the run: an SQLite file, a PostgreSQL URL, or 'none'; "
        "MEDBENCH_HOME/leaderboard.sqlite where not given.",
    ),
]
LogTo = Annotated[
    list[str] | None,
    typer.Option(
        "--log-to",
        help="Log the results, too: mlflow[:URI], wandb[:PROJECT] (offline unless WANDB_MODE says otherwise) or "
        "tensorboard[:DIR]; once for each.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, nothing else there.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def parse_shape(text: str) -> tuple[int, int, int]:
    """Return the voxels along x, y and z that a text such as ``512x512x256`` names.

    Raises:
        SpecError: not three numbers above 0 with an x or a comma between them.
    """
    match = re.fullmatch(r"\s*(\d{1,5})[xX,](\d{1,5})[xX,](\d{1,5})\s*", text)
    x, y, z = map(int, match.groups()) if match else (0, 0, 0)
    if min(x, y, z) < 1:
        raise SpecError(f"'{text}' is no shape: write it like 512x512x256")
    return x, y, z


def asked(kind: type[Asked], given: Mapping[str, Any]) -> Asked:
    """Return the options that a command was given, its texts read; ``--weights`` are put in their places.

    Args:
        kind: the class of the options.
        given: the command's parameters by name; what is no option of that kind is left out.

    Raises:
        SpecError: a text that cannot be read.
    """
    use_weight_files(given.get("weights") or [])
    command = shlex.join(["medbench", *sys.argv[1:]])
    read = {**given, "metrics": split_names(given.get("metrics", "")), "command": command}
    read |= {name: tuple(given.get(name) or ()) for name in ("engine_options", "settings")}
    if given.get("shape") is not None:
        read["shape"] = parse_shape(given["shape"])
    if "budget" in given:
        read["budget_bytes"] = parse_bytes(given["budget"])
    return kind(**{field.name: read[field.name] for field in fields(kind) if field.name in read})
