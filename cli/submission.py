"""``--emit-sbatch``: the command as a script for SLURM."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cli.session import Session
from medbench.engines.engine import DEFAULT_JOBS, parse_options
from medbench.errors import SpecError
from medbench.pipeline.options import RunOptions

# What says where the work is done; the script says that in other words.
OWN: Final = ("--emit-sbatch", "--engine", "--engine-option", "--workers", "--shard")
NOT_OF_FIT: Final = ("--segmenter", "--leaderboard", "--log-to")


def emit(ui: Session, options: RunOptions, file: Path) -> None:
    """Write a script that submits a command as a job array and a job that collects.

    Args:
        ui: the command's session.
        options: what was asked for, and the command as it was typed.
        file: the script.

    Raises:
        SpecError: options that belong to something else than a job array.
        StorageError: the file cannot be written.
    """
    from medbench.engines.sbatch import Submission
    from medbench.engines.slurm import options_of_jobs

    if options.shard is not None or options.engine == "dask":
        raise SpecError("--emit-sbatch writes a job array of shards: leave out --shard and --engine dask")
    if not options.resume:
        raise SpecError("--emit-sbatch writes jobs that go on with one another's work: leave out --no-resume")
    _, stage, *arguments = shlex.split(options.command)
    arguments = without(arguments, OWN)
    submission = Submission(
        program=[sys.executable, "-m", "cli.main"],
        stage=stage,
        arguments=arguments,
        shards=options.workers or DEFAULT_JOBS,
        options=options_of_jobs(parse_options(options.engine_options), gpu=options.device.startswith("cuda")),
        training=without(arguments, NOT_OF_FIT, flags=["--train"]) if options.train else None,
        folder=Path.cwd(),
    )
    submission.write(file)
    ui.tell({"script": str(file), "shards": submission.shards}, f"script: {file}", f"submit it with: bash {file}")


def without(words: Sequence[str], options: Sequence[str], *, flags: Sequence[str] = ()) -> list[str]:
    """Return the words of a command without some options, which take a value, and flags, which take none.

    >>> without(["-m", "real", "--engine=slurm", "--workers", "4", "--seed", "1"], ["--engine", "--workers"])
    ['-m', 'real', '--seed', '1']
    """
    kept: list[str] = []
    left = iter(words)
    for word in left:
        if word in options:
            next(left, None)
        elif word.partition("=")[0] not in (*options, *flags):
            kept.append(word)
    return kept
