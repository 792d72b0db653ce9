"""What is measured of a volume."""

from __future__ import annotations

import json

import numpy as np
import pytest

from medbench.errors import IntensityError
from medbench.evaluation.gate.facts import facts
from medbench.imaging.volume import Volume


def ct(seed=0, shape=(12, 11, 10), spacing=(1.0, 1.0, 1.0)):
    return Volume(np.random.default_rng(seed).integers(-1024, 1500, shape).astype(np.int16), np.diag([*spacing, 1.0]))


def test_facts_survive_json():
    known = facts(ct())
    assert json.loads(json.dumps(known, allow_nan=False)) == known
    assert known["min_hu"] == ct().voxels.min()
    assert known["max_hu"] == ct().voxels.max()
    assert known["shape"] == [12, 11, 10]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_volume_in_memory_with_nan_has_no_facts(value):
    voxels = ct().voxels.astype(np.float32)
    voxels[3, 3, 3] = value
    with pytest.raises(IntensityError, match=r"s0\.nii holds NaN"):
        facts(Volume(voxels), file="s0.nii")
