"""Every metric by itself."""

from pathlib import Path

import pytest

import medbench
from medbench.datasets.phantom.dataset import generate

METRIC = """
import math

from medbench.metrics.base import Measurement, MetricInfo


class Odd:
    info = MetricInfo(
        name="odd", version="1", summary="s", better="lower", unit=None, min_real=2, min_synthetic=2, source="t"
    )

    def measure(self, evidence):
        return Measurement(VALUE, None, "none", parts={"heart": {"a": 1.0, "b": math.nan}, "log": -math.inf})
"""


@pytest.mark.parametrize("value", ["0.5", "math.nan"])
def test_one_odd_metric_does_not_cost_the_results_of_the_others(value: str, tmp_path: Path) -> None:
    for seed in range(8):
        side = tmp_path / ("real" if seed < 4 else "samples")
        generate(seed, (32, 32, 16))[0].write(side / f"{seed}.nii.gz")
    (tmp_path / "odd.py").write_text(METRIC.replace("VALUE", value))
    odd = f"{tmp_path / 'odd.py'}:Odd"
    report = medbench.evaluate(tmp_path / "samples", real=tmp_path / "real", metrics=[odd, "fid25d"])
    told = {skipped.metric for skipped in report.skipped}
    if value == "0.5":
        assert [result.metric for result in report.results] == ["odd", "fid25d"]
        assert report.results[0].parts == {"heart": {"a": 1.0}}
        assert told == {"odd.heart.b", "odd.log"}
    else:
        assert [result.metric for result in report.results] == ["fid25d"]
        assert told == {"odd"}
