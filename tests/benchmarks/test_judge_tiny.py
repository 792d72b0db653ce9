"""What a tiny checkpoint is held to, and what is kept beside the shipped ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from medbench import Report, Result, plugin_files, registry
from medbench.records.results import Budget

judge_tiny = plugin_files.import_file(Path(__file__).with_name("judge_tiny.py"))
SHIPPED = [name for name in registry.names("generators") if "tiny" in registry.load("generators", name).info.presets]
DAMAGED = {"noise 80 HU": 0.03, "blur 6 mm": 0.3}
GOOD = {"wasserstein": 0.3, "spread_ratio": 0.9, "missing_rate": 0.0, "volume_ml": 9.0, "volume_ml_real": 10.0}


def _result(metric: str, value: float, *, parts: Mapping[str, Any] | None = None, **given: Any) -> Result:
    return Result(
        metric=metric, value=value, ci95=given.get("ci95"), ci_method="", floor=given.get("floor"), better="lower",
        unit=None, n_real=64, n_synthetic=16, parts=dict(parts or {}), fingerprint="", protocol={}, seconds=0,
        table=None,
    )  # fmt: skip


def _report(*results: Result) -> Report:
    budget = Budget(limit_bytes=1, kind="absent", card="none", within=None)
    return Report(
        run="r", model="m", model_version="1", dataset="phantom", track="t", budget=budget, results=results, schema=1
    )


def _free(*, fid: float = 0.02, lung: Mapping[str, float] | None = None, copies: float = 0.0) -> Report:
    regions = {"lung_left": GOOD, "lung_right": GOOD | dict(lung or {}), "overall": {"wasserstein": 0.3}}
    return _report(
        _result("fid25d", fid),
        _result("rvr", 0.3, parts=regions),
        _result("prdc25d", 0.6),
        _result("memorization", copies, ci95=(copies - 0.1, copies + 0.1)),
    )


def _steered(*, dsc: float) -> Report:
    parts = {"lung_left": {"median": 0.9}, "lung_right": {"median": dsc}}
    return _report(_result("adherence", dsc, ci95=(dsc - 0.01, dsc + 0.01), floor=0.6, parts=parts))


def _missed(free: Report, steered: Report | None = None) -> list[str]:
    return [one.what for one in judge_tiny.verdicts(free, steered, DAMAGED) if not one.met]


def test_a_good_checkpoint_meets_every_goal() -> None:
    assert _missed(_free(), _steered(dsc=0.9)) == []


@pytest.mark.parametrize(
    ("free", "missed"),
    [
        (_free(fid=0.04), ["fid25d"]),
        (_free(lung={"missing_rate": 0.1}), ["rvr, missing rate of lungs"]),
        (_free(lung={"spread_ratio": 0.4}), ["rvr, spread ratio, least over regions"]),
        (_free(copies=0.2), ["memorization, lower end"]),
    ],
)
def test_what_falls_short_is_named(free: Report, missed: list[str]) -> None:
    assert _missed(free) == missed


def test_steering_must_beat_shuffled_masks() -> None:
    assert _missed(_free(), _steered(dsc=0.6)) == ["adherence, median DSC of lungs", "adherence, lower end"]


def test_what_is_kept_is_strict_json() -> None:
    free, steered = _free(), _steered(dsc=0.9)
    found = judge_tiny.Judgement(free, steered, judge_tiny.verdicts(free, steered, DAMAGED), {"free": 1.0})
    document = json.loads(json.dumps(found.document(), allow_nan=False))
    assert document["regions"]["lung_right"] == {
        "spread_ratio": 0.9, "missing_rate": 0.0, "median_volume_ratio": 0.9, "dsc": 0.9
    }  # fmt: skip
    assert set(document["results"]) == {"fid25d", "rvr", "prdc25d", "memorization", "adherence"}


@pytest.mark.parametrize("model", SHIPPED)
def test_shipped_weights_are_those_of_their_record(model: str) -> None:
    weights = registry.load("generators", model)("tiny", device="cpu").default_checkpoint()
    record = json.loads(weights.with_suffix(".json").read_bytes())
    assert record["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert weights.stat().st_size <= judge_tiny.MOST_BYTES
    assert record["command"] == f"medbench fit --model {model} --dataset phantom --preset tiny --seed {record['seed']}"
