from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from contract import metric_checks as checks
from contract.metric_checks import CHECKS, Check
from contract.plugin_checks import metadata_is_of_the_kind
from contract.sides import GOLDEN, Scene
from medbench import plugin_files, registry
from medbench.metrics.base import Measurement

TOYS = Path(__file__).parents[1] / "toys.py"
TOY = registry.load("metrics", f"{TOYS}:ToyMetric")


@pytest.fixture(autouse=True)
def _trained_parts_replaced() -> Iterator[None]:
    with plugin_files.import_file(GOLDEN / "trained.py").trained_parts_replaced():
        yield


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [*registry.names("metrics"), f"{TOYS}:ToyMetric"], ids=lambda name: Path(name).name)
def test_metric(name: str, check: Check, tmp_path: Path) -> None:
    metric = registry.load("metrics", name)
    check(metric, Scene(metric.info, tmp_path))


def test_a_misspelt_need_is_found() -> None:
    """The pipeline would end with a KeyError, and the numbers of all other metrics with it."""
    misspelt = SimpleNamespace(info=replace(TOY.info, needs=("volume_extracter",)))
    with pytest.raises(AssertionError, match=r"needs volume_extracter: a protocol has .*volume_extractor"):
        metadata_is_of_the_kind("metrics", misspelt)


class Careless(TOY):
    """A metric that does in one place what none may do."""

    fault = ""

    def measure(self, evidence):
        found = self._measured(evidence)
        return replace(found, value=found.value + np.random.random()) if self.fault == "chance" else found  # noqa: NPY002

    def _measured(self, evidence):
        real, synthetic = evidence.real, evidence.synthetic
        if self.fault == "changes":
            next(real.volumes()).voxels[0, 0, 0] += 1
        if self.fault == "takes one":
            return Measurement(1.0, None, "absent: there are 3")
        if self.fault == "swallows":
            return Measurement(float(np.nansum([one.sum() for one in synthetic.volume_features()])), None, "absent")
        found = super().measure(evidence)
        if self.fault == "first only":
            return replace(found, value=float(next(synthetic.volumes()).voxels.mean()))
        return replace(found, value=5.0, ci95=(1.0, 2.0), ci_method="none") if self.fault == "beside" else found


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("chance", checks.same_input_same_answer),
        ("changes", checks.inputs_stay_untouched),
        ("first only", checks.order_of_volumes_changes_nothing),
        ("takes one", checks.a_set_against_itself_is_perfect),
        ("takes one", checks.too_few_subjects_are_refused),
        ("swallows", checks.a_broken_volume_is_named),
        ("beside", checks.three_subjects_have_a_value_and_no_interval),
        ("beside", checks.an_interval_is_there_or_its_reason),
        ("beside", checks.only_the_value_where_only_the_value_is_asked_for),
    ],
)
def test_the_checks_bite(fault: str, check: Check, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Careless, "fault", fault)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(Careless, Scene(Careless.info, tmp_path))
