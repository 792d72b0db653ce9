"""Golden results: one small run of every registered metric, kept to a relative 1e-6.

A change of code that changes a number of the same input fails here. If the change is meant, raise ``version`` in the
metric's ``MetricInfo`` (and write the change into CHANGELOG.md, under "Numbers that change"), then make the golden
results anew:

    pytest tests/test_golden_results.py --write-golden

which refuses as long as the version of a metric with other numbers is the old one. The run goes through
``medbench run`` with the data set, generator, feature networks and segmenter of ``tests/golden/``.

What is kept: value, interval, floor with its splits, ceiling, parts, the comparison with the held-out split, the
replicates, counts, and the protocol with its fingerprint. Limits, all there so that every machine gets these numbers:

- Feature networks and segmenter are arithmetic in double precision, since convolutions in single precision differ by
  chip and a Fréchet distance makes much of little. The real networks have golden numbers of their own in
  ``tests/medbench/features/``.
- ``memorization`` embeds with a fixed projection in place of the encoder that it trains; ``downstream`` is handed a
  table of DSC in place of what nnU-Net reaches, so that everything after the training is covered, and nothing before.
- ``reconstruction`` is measured without LPIPS (its weights are not shipped); MS-SSIM is computed in single precision
  by torch and compared to 1e-5, its SD to 1e-7: the number of threads changes the last digits.
- Versions of libraries are left out of the protocols, and the fingerprint is compared where a protocol holds none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cli.main import app
from medbench import Report, plugin_files, registry
from medbench.spec import fingerprint

TESTS = Path(__file__).parent
GOLDEN = TESTS / "data" / "golden" / "results.json"
INSTRUMENTS = TESTS / "golden" / "instruments.py"
VOLUMES = TESTS / "golden" / "volumes.py"
TRAINED = TESTS / "golden" / "trained.py"
KEPT = (
    *("value", "ci95", "floor", "floor_values", "floor_parts", "ceiling", "against", "parts", "replicates"),
    *("n_real", "n_synthetic", "better", "unit"),
)
LIBRARIES = {"mirp", "nnunetv2"}
# Relative and absolute. An SD of a few values near 1 has their error, however small it is itself.
EXACT, SINGLE_PRECISION = (1e-6, 1e-9), {"ms_ssim": (1e-5, 1e-7)}
METRICS = registry.names("metrics")
MEND = (
    "\nA number of the same input changed. If that is meant, raise the metric's version and write the change into "
    "CHANGELOG.md, then run: pytest tests/test_golden_results.py --write-golden"
)


def measured(folder: Path) -> Report:
    """Return the results of the golden run, made in a folder."""
    protocol = folder / "golden.toml"
    instruments = "".join(
        f'{field} = "{INSTRUMENTS.as_posix()}:{name}"\n'
        for field, name in (("extractor", "Slices"), ("volume_extractor", "Volumes"), ("segmenter", "Thresholds"))
    )
    protocol.write_text(instruments + (GOLDEN.parent / "protocol.toml").read_text(encoding="utf-8"), encoding="utf-8")
    options = {
        "--model": f"{VOLUMES}:GoldenGenerator",
        "--dataset": f"{VOLUMES}:GoldenDataset",
        "--protocol": str(protocol),
        "--metrics": "all",
        "--samples": "8",
        "--device": "cpu",
        "--workers": "1",
        "--out": str(folder / "run"),
    }
    arguments = [word for option in options.items() for word in option]
    with plugin_files.import_file(TRAINED).trained_parts_replaced():
        app(["run", *arguments, "--conditional", "--quiet", "--debug"], standalone_mode=False)
    return Report.read(folder / "run" / "results.json")


def kept(report: Report) -> dict[str, dict[str, Any]]:
    """Return of each metric what is golden, by its name."""
    found = {}
    for result in report.results:
        document = result.model_dump(mode="json", exclude={"replicates": {"__all__": {"units"}}})  # test_pairing.py
        protocol = {name: value for name, value in result.protocol.items() if name not in LIBRARIES}
        found[result.metric] = {
            "version": result.protocol["version"],
            **{field: document[field] for field in KEPT},
            "protocol": protocol,
            "fingerprint": result.fingerprint if protocol == result.protocol else None,
            "skipped": sorted(
                one.metric for one in report.skipped if one.metric.partition(".")[0] == result.metric
            ),
        }  # fmt: skip
    return found


def as_text(document: Mapping[str, Mapping[str, Any]]) -> str:
    """Return JSON with a line for each thing that is kept."""
    metrics = []
    for name in sorted(document):
        lines = (f' "{field}": {json.dumps(value, sort_keys=True)}' for field, value in document[name].items())
        metrics.append(f'"{name}": {{\n' + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(metrics) + "\n}\n"


def differences(golden: Any, now: Any, path: str) -> Iterator[str]:
    """Yield what differs, with its path."""
    if isinstance(golden, Mapping) and isinstance(now, Mapping):
        for key in {**golden, **now}:
            yield from differences(golden.get(key, "nothing"), now.get(key, "nothing"), f"{path}.{key}")
    elif _many(golden) and _many(now) and len(golden) == len(now):
        for index, (one, other) in enumerate(zip(golden, now)):
            yield from differences(one, other, f"{path}[{index}]")
    elif isinstance(golden, float) and isinstance(now, float):
        close = (SINGLE_PRECISION[name] for name in SINGLE_PRECISION if f".{name}." in f"{path}.")
        relative, absolute = next(close, EXACT)
        if not math.isclose(golden, now, rel_tol=relative, abs_tol=absolute):
            yield f"{path}: golden {golden!r}, now {now!r}"
    elif golden != now:
        yield f"{path}: golden {golden!r}, now {now!r}"


def _many(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return measured(tmp_path_factory.mktemp("golden"))


@pytest.fixture(scope="module")
def golden(report: Report, pytestconfig: pytest.Config) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.is_file() else {}
    if pytestconfig.getoption("write_golden"):
        now = kept(report)
        for name in now.keys() & found.keys():
            changed = next(differences(found[name], now[name], name), None)
            if changed is not None and found[name]["version"] == now[name]["version"]:
                pytest.fail(f"nothing is written: {changed}, under the same version: raise it first")
        GOLDEN.write_text(as_text(now), encoding="utf-8")
        found = now
    return found


@pytest.mark.parametrize("name", METRICS)
def test_numbers_are_the_golden_ones(name: str, golden: dict[str, dict[str, Any]], report: Report) -> None:
    now = kept(report)
    reasons = [one.reason for one in report.skipped if one.metric == name]
    assert name in now, f"{name} is not measured in the golden run: {reasons}"
    assert name in golden, f"{name} has no golden numbers yet: run pytest tests/test_golden_results.py --write-golden"
    assert golden[name]["version"] == registry.load("metrics", name).info.version, (
        f"{name} has another version than its golden numbers: run pytest tests/test_golden_results.py --write-golden"
    )
    changed = list(differences(golden[name], now[name], name))
    assert not changed, "\n".join(changed[:12]) + MEND


def test_nothing_golden_is_of_a_metric_that_went(golden: dict[str, dict[str, Any]]) -> None:
    assert sorted(golden) == METRICS


def test_every_fingerprint_is_that_of_its_protocol(report: Report) -> None:
    assert {result.metric: result.fingerprint for result in report.results} == {
        result.metric: fingerprint(result.protocol) for result in report.results
    }
