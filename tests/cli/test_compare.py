"""``medbench compare`` as a user meets it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume
from medbench.records.results import Report

SHAPE = (32, 32, 16)


def medbench(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def evaluations(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two folders of samples against one of real volumes, and one of them against others."""
    root = tmp_path_factory.mktemp("compare")
    sets = {
        "real": (range(6), 0),
        "near": (range(10, 16), 20),
        "far": (range(20, 26), 250),
        "fewer": (range(10, 14), 20),
    }
    for name, (seeds, noise) in sets.items():
        for seed in seeds:
            volume, _ = generate(seed, SHAPE)
            hu = volume.voxels + np.random.default_rng(seed).normal(0, noise, SHAPE)
            Volume(np.rint(hu).astype(np.int16), volume.affine).write(root / name / f"{seed}.nii.gz")
    for name in ("near", "far", "fewer"):
        arguments = (root / name, "--real", root / "real", "--metrics", "fid25d", "--out", root / f"{name}-out")
        assert medbench("evaluate", *arguments, "--quiet").exit_code == 0
    return {name: root / f"{name}-out" for name in ("near", "far", "fewer")}


def test_the_document_has_the_keys_of_the_contract(evaluations: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    found = medbench("compare", evaluations["near"], evaluations["far"], "--json", "--out", out)
    assert found.exit_code == 0, found.stderr
    (row,) = json.loads(found.stdout)
    keys = {"metric", "part", "a", "b", "difference", "ci95", "p_value", "p_adjusted", "test"}
    assert keys <= set(row)
    assert (row["metric"], row["part"], row["a"], row["b"]) == ("fid25d", None, "near-out", "far-out")
    assert row["difference"] < 0
    assert row["ci95"][0] < row["difference"] < row["ci95"][1] < 0
    assert row["p_value"] < 0.05
    assert row["test"].startswith("delete-a-group jackknife")
    with out.open(encoding="utf-8", newline="") as handle:
        assert [line["metric"] for line in csv.DictReader(handle)] == ["fid25d"]


def test_the_table_says_how_and_what_was_left_out(evaluations: dict[str, Path]) -> None:
    found = medbench("compare", evaluations["near"], evaluations["far"], evaluations["fewer"])
    assert found.exit_code == 0
    assert "delete-a-group jackknife" in found.stdout
    assert "Holm's adjustment over the 1 test of" in found.stdout
    left_out = found.stderr.splitlines()
    assert len(left_out) == 2
    assert all("number of synthetic volumes: 6 and 4" in line for line in left_out)


def test_the_table_fits_80_columns_and_a_legend_names_the_runs(
    evaluations: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = [tmp_path / f"{'a-long-name-of-a-run-' * 3}{index}" for index in range(3)]
    for place, source in zip(long, ("near", "far", "near")):
        shutil.copytree(evaluations[source], place)
    lines = medbench("compare", *long).stdout.splitlines()
    assert lines[0].split() == ["metric", "runs", "a", "b", "a", "-", "b", "95", "%", "interval", "p", "p", "(Holm)"]
    for line, runs in zip(lines[1:], ("A, B", "A, C", "B, C")):
        assert line.startswith(f"fid25d ↓  {runs}")
        assert len(line.rstrip()) <= 80
        assert line.rstrip()[-1].isdigit() or runs == "A, C"  # equal runs have no test
    assert lines[4:7] == [f"A: {long[0]}", "B: far-out", f"C: {long[2]}"]


def test_nothing_comparable_is_one_line_and_exit_code_2(evaluations: dict[str, Path], tmp_path: Path) -> None:
    for runs, words in (
        ((evaluations["near"], evaluations["fewer"]), "number of synthetic volumes: 6 and 4"),
        ((evaluations["near"],), "two runs or more"),
        ((evaluations["near"], tmp_path), "does not exist"),
    ):
        found = medbench("compare", *runs)
        assert found.exit_code == 2
        assert found.stdout == ""
        assert len(found.stderr.splitlines()) == 1
        assert words in found.stderr


def test_leaks_of_a_run_are_said(evaluations: dict[str, Path], tmp_path: Path) -> None:
    leak = "maisi-pt: encoder trained on LIDC-IDRI, which contains this dataset"
    report = Report.read(evaluations["near"] / "results.json")
    leaking = report.model_copy(update={"leaks": (leak,)}).save(tmp_path)
    found = medbench("compare", leaking, evaluations["far"], "--json")
    assert json.loads(found.stdout)
    assert f"leak of near-out: {leak}" in found.stderr
