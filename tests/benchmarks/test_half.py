"""What half precision of the slice features changes of each number, beside the number's noise floor. It prints.

pytest -m benchmark -s tests/benchmarks/test_half.py

Sub-volumes of the public scans in ``tests/data`` are the real side, the same with noise and blur the samples. The
float32 features are those of torch on the same device, MEDBENCH_BENCHMARK_DEVICE (auto). float16 on a CPU has a GPU's
rounding, in other orders of summation. Without weights of RadImageNet at hand seeded ones of its shape serve; the table
says so.
"""

from __future__ import annotations

import os
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage

import medbench
from medbench.engines.devices import resolve_device
from medbench.errors import Unavailable
from medbench.features.radimagenet import WEIGHTS, RadImageNetResNet50, build
from medbench.features.radimagenet_half import RadImageNetResNet50Half
from medbench.records.results import Result

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

DATA = Path(__file__).parents[1] / "data"
DEVICE = os.environ.get("MEDBENCH_BENCHMARK_DEVICE", "auto")
SIDE = int(os.environ.get("MEDBENCH_BENCHMARK_SIDE", "40"))
METRICS = ("fid25d", "kid25d", "prdc25d")


def _cubes() -> list[medbench.Volume]:
    """Cut each scan into eight disjoint cubes about its centre."""
    found = []
    for name in ("cta_heart.nii.gz", "ct_abdomen_pelvis.nii.gz"):
        scan = medbench.Volume.read(DATA / name)
        origin = [(size - 2 * SIDE) // 2 for size in scan.shape]
        for corner in product((0, SIDE), repeat=3):
            where = tuple(slice(start + offset, start + offset + SIDE) for start, offset in zip(origin, corner))
            found.append(medbench.Volume(scan.voxels[where].copy(), np.eye(4)))
    return found


def _damaged(volume: medbench.Volume, seed: int) -> medbench.Volume:
    noise = np.random.default_rng(seed).normal(0, 20, volume.shape)
    blurred = ndimage.gaussian_filter(volume.voxels.astype(np.float32), 0.5)
    return medbench.Volume(np.rint(blurred + noise).astype(np.int16), volume.affine)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what the weights are; seeded ones where there are none."""
    try:
        WEIGHTS.locate()
    except Unavailable:
        torch.manual_seed(0)
        torch.save(build().state_dict(), tmp_path / "weights.pth")
        monkeypatch.setenv(WEIGHTS.variable, str(tmp_path / "weights.pth"))
        return "seeded weights, a stand-in"
    return "RadImageNet's weights"


def _results(folder: Path, extractor: str) -> dict[str, Result]:
    protocol = folder / f"{extractor}.toml"
    protocol.write_text(f'name = "half"\nsummary = "float32 against half"\nextractor = "{extractor}"\n', "utf-8")
    cubes = _cubes()
    report = medbench.evaluate(
        [_damaged(cube, seed) for seed, cube in enumerate(cubes)],
        real=cubes, metrics=METRICS, protocol=str(protocol), device=DEVICE, out=folder / extractor,
    )  # fmt: skip
    return {result.metric: result for result in report.results}


def test_effect_on_every_number(weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEDBENCH_CPU_ENGINE", "torch")
    whole, half = (_results(tmp_path, network.info.name) for network in (RadImageNetResNet50, RadImageNetResNet50Half))
    device = resolve_device(DEVICE)
    print(f"\n{weights}; {device}; {2 * 8} volumes a side, cubes of {SIDE} voxels")
    print("metric, in float32, in half, change; floor, spread over its splits, its change; change in times the spread")
    for name, single in whole.items():
        other = half[name]
        assert single.floor is not None and other.floor is not None
        assert single.fingerprint != other.fingerprint
        spread, change = float(np.std(single.floor_values, ddof=1)), other.value - single.value
        print(
            f"{name}: {single.value:.6g}, {other.value:.6g}, {change:+.1e}; {single.floor:.6g}, {spread:.2g}, "
            f"{other.floor - single.floor:+.1e}; {abs(change) / spread:.1g} times"
        )
