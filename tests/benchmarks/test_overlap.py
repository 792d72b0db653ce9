"""Time and memory of adherence on one large volume; they decide nothing."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.datasets.phantom.thorax import LABELS
from medbench.imaging.volume import LabelMap
from medbench.metrics.adherence.overlaps import volume_overlaps

SHAPE = (512, 512, 256)


@pytest.mark.benchmark
def test_twelve_regions_of_a_paper_sized_volume() -> None:
    _, mask = generate(0, SHAPE)
    segmentation = LabelMap(np.roll(mask.voxels, (3, 2, 1), (0, 1, 2)), mask.affine, LABELS)
    tracemalloc.start()
    clock = time.monotonic()
    found = volume_overlaps(mask, segmentation, regions=(), tolerance_mm=2.0)
    seconds = time.monotonic() - clock
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"{len(found['regions'])} regions of {SHAPE}: {seconds:.1f} s, peak {peak / 2**20:.0f} MiB above the inputs")
