"""The script that submits a run: what it says, and that a shell's critic finds nothing."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

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
