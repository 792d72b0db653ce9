"""``medbench evaluate --each`` as a user meets it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume

SHAPE = (32, 32, 16)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight real volumes, and a training that collapses, recovers and becomes good."""
    root = tmp_path_factory.mktemp("training")
    for seed in range(8):
        generate(seed, SHAPE)[0].write(root / "real" / f"{seed}.nii.gz")
    for step, noise in ((100, 0), (200, 300), (300, 20)):
        for seed in range(20, 24):
            volume, _ = generate(seed, SHAPE)
            hu = volume.voxels + np.random.default_rng(seed).normal(0, noise, SHAPE)
            voxels = np.zeros(SHAPE) if step == 100 else np.rint(hu)
            Volume(voxels.astype(np.int16), volume.affine).write(root / f"step-{step}" / f"{seed}.nii.gz")
    return root


def test_the_choice_and_the_report_rest_on_different_volumes(
    training: Path, tmp_path: Path, medbench: Callable[..., Any]
) -> None:
    folders = [training / f"step-{step}" for step in (300, 100, 200)]
    arguments = ("evaluate", "--each", *folders, "--real", training / "real", "--metrics", "fid25d", "--out", tmp_path)
    found = medbench(*arguments, "--json", "--leaderboard", tmp_path / "board.sqlite")
    assert found.returncode == 0, found.stderr
    document = json.loads(found.stdout)
    assert document == json.loads((tmp_path / "choice.json").read_text(encoding="utf-8"))
    assert document["chosen"] == "step-300"
    assert "chosen on 4 of the 8 real volumes" in document["real"]
    assert [one["step"] for one in document["checkpoints"]] == [100, 200, 300]
    collapsed, noisy, good = document["checkpoints"]
    assert "all voxels equal 0" in collapsed["reason"]
    assert noisy["results"][0]["value"] > good["results"][0]["value"]
    (reported,) = document["reported"]["results"]
    assert reported["n_real"] == 4
    assert reported["fingerprint"] != good["results"][0]["fingerprint"]
    assert document["reported"]["model"] == "step-300"
    rows = list(csv.DictReader((tmp_path / "curve.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["checkpoint"], row["chosen"], row["reason"] != "") for row in rows] == [
        ("step-100", "False", True),
        ("step-200", "False", False),
        ("step-300", "True", False),
    ]
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "chosen" / "report.html").is_file()
    board = json.loads(medbench("leaderboard", "show", "--leaderboard", tmp_path / "board.sqlite", "--json").stdout)
    assert [[row["model"] for row in entry["rows"]] for entry in board] == [["step-300"]]

    again = medbench(*arguments, "--leaderboard", "none")
    assert again.returncode == 0, again.stderr
    assert "features of" not in again.stderr  # nothing is computed twice
    assert "step-300" in again.stdout
    assert "flatters it a little" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("step-200", "step-300"), "several folders are judged with --each"),
        (("--each", "step-200"), "two folders of samples or more"),
        (("step-200", "--choose-by", "fid25d"), "several folders are judged with --each"),
        (("--each", "step-200", "step-300", "--choose-by", "hu"), "no checkpoint has a number of 'hu'"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], said: str, training: Path, tmp_path: Path, medbench: Any, refused: Any
) -> None:
    given = [training / one if one.startswith("step") else one for one in arguments]
    options = (
        "--real",
        training / "real",
        "--metrics",
        "fid25d",
        "--out",
        tmp_path,
        "--leaderboard",
        "none",
        "--quiet",
    )
    assert said in refused(medbench("evaluate", *given, *options))


def test_counts_must_be_equal(training: Path, tmp_path: Path, medbench: Any, refused: Any) -> None:
    for source in sorted((training / "step-300").iterdir())[:3]:
        (tmp_path / "step-400").mkdir(exist_ok=True)
        (tmp_path / "step-400" / source.name).write_bytes(source.read_bytes())
    arguments = ("evaluate", "--each", training / "step-300", tmp_path / "step-400", "--real", training / "real")
    line = refused(medbench(*arguments, "--metrics", "fid25d", "--out", tmp_path / "out", "--leaderboard", "none"))
    assert "step-400 has 3 and" in line
    assert "has 4 samples" in line
