"""The script that submits a run: what it says, and that a shell's critic finds nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medbench.engines.sbatch import Submission

SUBMISSION = Submission(
    program=["/usr/py thon", "-m", "cli.main"],
    stage="run",
    arguments=["--model", "it's", "--out", "runs/a b", "--seed", "$HOME"],
    shards=4,
    options={"partition": "gpu", "time": "1-00:00:00", "comment": "a b"},
    training=None,
    folder=Path("/data/a b"),
)


def test_the_parts_come_first_and_the_job_that_collects_after_any_end_of_theirs() -> None:
    text = SUBMISSION.script(Path("go.sh"))
    assert "--array=1-4" in text
    assert '"--dependency=afterany:$parts"' in text
    assert text.count("sbatch ") == 2
    assert text.count('--shard "$SLURM_ARRAY_TASK_ID/4"') == 1
    assert "common=(--parsable '--comment=a b' --partition=gpu --time=1-00:00:00)" in text


def test_a_training_comes_before_the_parts() -> None:
    text = replace(SUBMISSION, training=["--model", "it's"]).script(Path("go.sh"))
    assert text.index(" fit --model") < text.index("--array=1-4") < text.index("afterany")
    assert '"--dependency=afterok:$fit"' in text
    assert '"--dependency=afterok:$fit,afterany:$parts"' in text


MEDBENCH = """#!/bin/bash
echo "$@" >> told-$SLURM_JOB_ID
case "$*" in
    fit*) exit "$(cat fails)" ;;
    *--shard*) if [ -e hangs ]; then exec sleep 600; fi ;;
esac
"""


@pytest.fixture
def submitted(tmp_path: Path, slurm_cluster: Any) -> Callable[..., dict[str, str]]:
    """Submit a script to SLURM whose jobs are shell scripts; return the ids of the jobs by their names."""

    def submit(train: bool) -> dict[str, str]:
        (tmp_path / "medbench").write_text(MEDBENCH)
        (tmp_path / "medbench").chmod(0o755)
        words = ["--out", "a b"]
        own = replace(SUBMISSION, program=[str(tmp_path / "medbench")], arguments=words, options={"time": "5"})
        replace(own, shards=2, training=words if train else None, folder=tmp_path).write(tmp_path / "go.sh")
        done = subprocess.run(["bash", tmp_path / "go.sh"], capture_output=True, text=True, check=True)
        return dict(re.findall(r"(fit|parts|collect) (\d+)", done.stdout.partition(";")[0]))

    return submit


def _done(slurm_cluster: Any, tmp_path: Path) -> list[str]:
    """Wait until the queue is empty; return what the jobs were told, in the order of their beginning."""
    slurm_cluster.wait_until_idle()
    return [path.read_text().strip() for path in sorted(tmp_path.glob("told-*"), key=lambda path: path.stat().st_mtime)]


def test_slurm_does_the_parts_and_collects_though_a_part_is_killed(
    submitted: Callable[..., dict[str, str]], slurm_cluster: Any, tmp_path: Path
) -> None:
    (tmp_path / "hangs").touch()
    jobs = submitted(train=False)
    slurm_cluster.wait_until_running(2)
    slurm_cluster.kill_a_job(f"{jobs['parts']}_1")
    slurm_cluster.asked("scancel", f"{jobs['parts']}_2")
    *parts, collect = _done(slurm_cluster, tmp_path)
    assert sorted(parts) == ["run --out a b --shard 1/2", "run --out a b --shard 2/2"]
    assert collect == "run --out a b"


@pytest.mark.parametrize("fails", [0, 1])
def test_slurm_trains_first_and_leaves_nothing_in_the_queue_where_that_fails(
    fails: int, submitted: Callable[..., dict[str, str]], slurm_cluster: Any, tmp_path: Path
) -> None:
    (tmp_path / "fails").write_text(str(fails))
    submitted(train=True)
    fit, *others = _done(slurm_cluster, tmp_path)
    assert fit == "fit --out a b"
    assert len(others) == (0 if fails else 3)


@pytest.mark.parametrize("train", [False, True])
def test_shellcheck_finds_nothing_and_the_words_arrive_as_they_were(train: bool, tmp_path: Path) -> None:
    file = tmp_path / "go.sh"
    replace(
        SUBMISSION, training=SUBMISSION.arguments if train else None, folder=tmp_path, program=[str(tmp_path / "told")]
    ).write(file)
    if shutil.which("shellcheck") is not None:
        found = subprocess.run(["shellcheck", file], capture_output=True, text=True, check=False)
        assert found.stdout == ""
    # A stand-in for sbatch runs each job at once; medbench's stand-in tells its words.
    (tmp_path / "sbatch").write_text('#!/bin/bash\nSLURM_ARRAY_TASK_ID=3 bash -s >> told.txt\necho "17;cluster"\n')
    (tmp_path / "told").write_text('#!/bin/bash\nprintf "[%s]" "$@"\necho\n')
    for name in ("sbatch", "told"):
        (tmp_path / name).chmod(0o755)
    done = subprocess.run(
        ["bash", file], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, text=True, check=True
    )
    assert "collect 17; results come with job 17" in done.stdout
    own = "[--model][it's][--out][runs/a b][--seed][$HOME]"
    expected = [f"[run]{own}[--shard][3/4]", f"[run]{own}"]
    assert (tmp_path / "told.txt").read_text().splitlines() == [f"[fit]{own}"] * train + expected
