"""Time and memory of creating a packet of paper-sized cases, and chance in its audit; they decide nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume
from medbench.progress import silent
from medbench.reader_study.audit.audit import audit_container
from medbench.reader_study.create import CreateOptions, create
from medbench.reader_study.key import Key

SHAPE = (512, 512, 256)
CASES = 3  # of each source

# Peak memory is that of a process of its own; ru_maxrss is in KiB on Linux.
CREATE = """
import resource, sys, time
from pathlib import Path
from medbench.progress import silent
from medbench.reader_study.create import CreateOptions, create
root, format = Path(sys.argv[1]), sys.argv[2]
clock = time.monotonic()
create(CreateOptions(runs=(root / "same", root / "other"), out=root / format, key=root / f"{format}.json", training=0,
                     per_model=int(sys.argv[3]), format=format), silent)
print(time.monotonic() - clock, time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three volumes on the grid of the packet and three that must be resampled to it."""
    root = tmp_path_factory.mktemp("paper-sized")
    small = generate(0, (128, 128, 64))[0].voxels
    for number in range(2 * CASES):
        chance = np.random.default_rng(number)
        large = small.repeat(4, axis=0).repeat(4, axis=1).repeat(4, axis=2)
        large += chance.integers(-20, 20, SHAPE, dtype=np.int16)
        spacing = (0.7, 0.7, 1.25) if number % 2 else (0.65, 0.65, 1.0)
        Volume(large, np.diag([*spacing, 1.0])).write(root / ("same", "other")[number % 2] / f"{number}.nii.gz")
    return root


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("format", ["nifti", "dicom"])
def test_creating_paper_sized_cases(sources: Path, format: str) -> None:
    """The goal: 60 cases in 2 GB of memory, at most 6 s a case."""
    child = [sys.executable, "-c", CREATE, str(sources), format, str(CASES)]
    seconds, busy, gib = map(float, subprocess.run(child, check=True, capture_output=True, text=True).stdout.split())
    each, core = seconds / (2 * CASES), busy / (2 * CASES)
    print(
        f"{2 * CASES} cases of {SHAPE} as {format}: {each:.1f} s a case, {core:.1f} s of one core, peak {gib:.2f} GiB"
    )


@pytest.mark.benchmark
@pytest.mark.timeout(1800)
def test_the_container_is_at_chance_over_twenty_seeds(tmp_path: Path) -> None:
    """The goal: within chance over 20 seeds."""
    for index in range(24):
        generate(8000 + index, (16, 16, 8))[0].write(tmp_path / ("alpha", "beta")[index % 2] / f"{index}.nii.gz")
    areas, inside, clock = [], 0, time.monotonic()
    for seed in range(20):
        out = CreateOptions(
            runs=(tmp_path / "alpha", tmp_path / "beta"),
            out=tmp_path / f"{seed}",
            key=tmp_path / f"{seed}.json",
            seed=seed,
        )
        packet = create(out, silent)
        found = audit_container(packet, Key.read(out.key, packet).sources())
        assert found.leaks == ()
        assert found.auc is not None
        assert found.ci95 is not None
        areas.append(found.auc)
        inside += found.ci95[0] <= 0.5 <= found.ci95[1]
    seconds = (time.monotonic() - clock) / 20
    print(
        f"container AUC {np.mean(areas):.2f} ({min(areas):.2f} to {max(areas):.2f}), {inside} of 20 intervals hold 0.5"
    )
    print(f"{seconds:.1f} s to create and audit")
