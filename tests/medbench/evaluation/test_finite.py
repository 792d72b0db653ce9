"""No figure that is no number comes into a result, whatever a metric returns."""

import math

import numpy as np
import pytest

from medbench.errors import Unavailable
from medbench.evaluation.finite import finite_only
from medbench.metrics.base import Measurement
from medbench.statistics.resampling import Replicates


def test_finite_figures_pass_as_they_are() -> None:
    found = Measurement(1.0, (0.0, 2.0), "how", parts={"a": 1.0, "b": {"c": 2.0}}, skipped={"d": "why"})
    assert finite_only(found) == found


def test_what_is_no_number_is_named() -> None:
    odd = Replicates(np.array([1.0, math.nan]), np.array([1, 1]))
    found = finite_only(
        Measurement(1.0, (math.nan, 2.0), "how", parts={"a": math.inf, "b": {"c": math.nan, "d": 1.0}},
                    replicates={"real": odd})
    )  # fmt: skip
    assert found.parts == {"b": {"d": 1.0}}
    assert set(found.skipped) == {"a", "b.c"}
    assert found.ci95 is None and "how" in found.ci_method
    assert not found.replicates
    with pytest.raises(Unavailable, match="nan"):
        finite_only(Measurement(math.nan, None, "none"))
