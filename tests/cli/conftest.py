"""The commands in this process, what a refusal looks like, and folders to compare."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cli.main import app
from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume

SHAPE = (32, 32, 16)


@dataclass(frozen=True)
class Finished:
    returncode: int
    stdout: str
    stderr: str


def medbench(*arguments: str | Path, cwd: Path | None = None) -> Finished:
    """Run a command in this process, which spares each test the import of torch."""
    with contextlib.chdir(cwd or Path.cwd()):
        result = CliRunner().invoke(app, list(map(str, arguments)), env={"COLUMNS": "200"})
    return Finished(result.exit_code, result.stdout, result.stderr)


def refused(result: Finished, *, code: int = 2) -> str:
    """Check that a command refused with one line, no traceback and nothing on stdout; return the line."""
    assert result.returncode == code, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("medbench: ")]
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    return lines[0]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("folders")
    for name, seeds, noise in (("real", range(4), 0), ("near", range(10, 14), 20), ("far", range(10, 14), 250)):
        for seed in seeds:
            volume, _ = generate(seed, SHAPE)
            hu = volume.voxels + np.random.default_rng(seed).normal(0, noise, SHAPE)
            Volume(np.rint(hu).astype(np.int16), volume.affine).write(root / name / f"{seed}.nii.gz")
    return {path.name: path for path in root.iterdir()}


@pytest.fixture(name="refused")
def refused_() -> Callable[..., Any]:
    return refused


@pytest.fixture(name="medbench", scope="session")
def medbench_() -> Callable[..., Any]:
    return medbench
