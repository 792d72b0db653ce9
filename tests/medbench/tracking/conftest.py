"""A run folder with a result, a figure and what is told about it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medbench.records.results import Budget, Report, Result, Skipped
from medbench.records.run import RunFolder
from medbench.spec import fingerprint
from medbench.tracking.entry import TrackedRun


@pytest.fixture
def tracked(tmp_path: Path) -> Callable[..., TrackedRun]:
    def make(name: str = "a run", value: float = 3.5) -> TrackedRun:
        folder = RunFolder(tmp_path / re.sub(r"\\W", "-", name))
        folder.figures.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((30, 40, 3), 77, np.uint8)).save(folder.figures / "planes.png")
        folder.report_file.write_text("<title>a report</title>", encoding="utf-8")
        protocol = {"metric": "fid25d"}
        result = Result(
            metric="fid25d", value=value, ci95=(3.0, 4.0), ci_method="a test", floor=0.5, better="lower", unit=None,
            n_real=8, n_synthetic=6, parts={"xy": 3.0, "lung (left)": {"ks": 0.25}}, seconds=1.0, table=None,
            protocol=protocol, fingerprint=fingerprint(protocol), stand_ins=("seeded-resnet",),
        )  # fmt: skip
        report = Report(
            run=name, model="mine", model_version="2", dataset="toy", track="toy/0123456789ab", leaks=("saw it all",),
            budget=Budget(limit_bytes=1, kind="absent", card="none", within=None), results=(result,),
            skipped=(Skipped(metric="rvr", reason="no masks | no regions"),),
        )  # fmt: skip
        report.save(folder.path)
        return TrackedRun.of(report, folder)

    return make
