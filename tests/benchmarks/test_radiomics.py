"""Time and memory of radiomics features. They print; they decide nothing.

pytest -m benchmark -s tests/benchmarks/test_radiomics.py
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(1800)]

# In a process of its own, so that the peak is that of this volume alone.
_SCRIPT = """
import resource, sys, time
from medbench.datasets.phantom.dataset import generate
from medbench.metrics.functional.radiomics import radiomics
from medbench.spec import Window
shape = tuple(map(int, sys.argv[1].split("x")))
radiomics(generate(1, (16, 16, 8))[0], Window())  # what is imported once
volume, _ = generate(0, shape)
before, clock = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
found = radiomics(volume, Window())
spent, after = time.process_time() - clock, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(f"{sys.argv[1]}: {spent:.2f} s of one core, peak {after / 1024:.0f} MiB ({before / 1024:.0f} before), "
      f"{int(found['body_voxels'])} voxels of body")
"""


@pytest.mark.parametrize("shape", ["64x64x32", "128x128x128", "512x512x256"])
def test_one_volume(shape: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", _SCRIPT, shape],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        text=True,
    )
    print(f"\n{told.stdout.strip()}")
