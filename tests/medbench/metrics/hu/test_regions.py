"""Published bounds."""

from __future__ import annotations

import numpy as np
import pytest

from medbench.metrics.hu.regions import bounds_of, published_bounds


@pytest.mark.parametrize(
    ("region", "bounds"),
    [
        ("liver", (-21.6, 162.0)),
        ("spleen", (-43.0, 184.0)),
        ("lung_upper_lobe_left", (-1088.0, -367.0)),
        ("vertebrae_L5", (71.0, 1000.0)),
        ("ribs", (71.0, 1000.0)),
        ("lung_vessels", None),
        ("heart", None),
    ],
)
def test_published_bounds_by_name(region, bounds):
    assert published_bounds(region) == bounds


def test_bounds_follow_the_published_rule():
    medians = np.array([10.0, 12.0, 14.0])
    assert bounds_of(medians) == (0.0, 24.0)  # mean 12, SD 2
    skewed = np.array([0.0] * 999 + [1000.0])
    low, high = bounds_of(skewed)
    assert low == pytest.approx(skewed.mean() - 6 * skewed.std(ddof=1))
    assert high == pytest.approx(skewed.mean() + 6 * skewed.std(ddof=1))
