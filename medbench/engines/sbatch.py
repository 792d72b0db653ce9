"""A script that submits a run to SLURM: a job array whose jobs each do a part, and a job that collects."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medbench.storage.files import atomic_path

_HEAD = """#!/usr/bin/env bash
# Submits {jobs} to SLURM; nothing runs before: bash {file}
set -euo pipefail
cd {folder}
common=({common})
"""
_JOB = """
{name}=$(sbatch "${{common[@]}}" {options} <<'JOB'
#!/usr/bin/env bash
set -euo pipefail
{command}
JOB
)
{name}=${{{name}%%;*}}  # without the cluster's name
"""
_TAIL = """
echo "submitted: {jobs}; results come with job $collect"
"""


@dataclass(frozen=True)
class Submission:
    """What is submitted.

    Args:
        program: the words that start medbench.
        stage: ``run`` or ``sample``.
        arguments: what follows it, without the choice of an engine.
        shards: jobs of the array.
        options: of sbatch, by their long names.
        training: what follows ``fit`` where a job trains before the others begin; None: nothing is trained.
        folder: where the jobs run.
    """

    program: Sequence[str]
    stage: str
    arguments: Sequence[str]
    shards: int
    options: Mapping[str, str]
    training: Sequence[str] | None
    folder: Path

    def script(self, file: Path) -> str:
        """Return the script that submits it.

        The job that collects comes after any end of the array: it makes what a lost job left undone. Where a training
        fails, nothing that waits for it stays in the queue.

        Args:
            file: where it will lie.
        """
        jobs, told = [], []
        if self.training is not None:
            jobs.append(_job("fit", ["--job-name=medbench-fit"], self._command("fit", self.training)))
            told.append("fit $fit")
        array = ["--job-name=medbench-parts", f"--array=1-{self.shards}"]
        trained = [] if self.training is None else ["afterok:$fit"]
        array += _after(trained)
        part = f'{self._command(self.stage, self.arguments)} --shard "$SLURM_ARRAY_TASK_ID/{self.shards}"'
        jobs.append(_job("parts", array, part))
        collect = ["--job-name=medbench-collect", *_after([*trained, "afterany:$parts"])]
        jobs.append(_job("collect", collect, self._command(self.stage, self.arguments)))
        told += ["parts $parts", "collect $collect"]
        first = "" if self.training is None else "a training, "
        what = f"{first}{self.shards} jobs that each do a part and one that collects"
        common = ["--parsable", *(f"--{name}={value}" for name, value in sorted(self.options.items()))]
        head = _HEAD.format(
            jobs=what, file=shlex.quote(file.name), folder=shlex.quote(str(self.folder)), common=shlex.join(common)
        )
        return head + "".join(jobs) + _TAIL.format(jobs=", ".join(told))

    def write(self, file: Path) -> None:
        """Write the script, whole or not at all; nothing is submitted.

        Raises:
            StorageError: the file cannot be written.
        """
        with atomic_path(file) as temporary:
            temporary.write_text(self.script(file), encoding="utf-8")
            temporary.chmod(0o755)

    def _command(self, stage: str, arguments: Sequence[str]) -> str:
        return shlex.join([*self.program, stage, *arguments])


def _job(name: str, options: Sequence[str], command: str) -> str:
    return _JOB.format(name=name, options=" ".join(options), command=command)


def _after(others: Sequence[str]) -> list[str]:
    """Return what lets a job wait for others, and leave the queue where they did not end as it needs."""
    return [f'"--dependency={",".join(others)}"', "--kill-on-invalid-dep=yes"] if others else []
