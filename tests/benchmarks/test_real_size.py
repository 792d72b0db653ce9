"""The default evaluation at real size: CPU seconds, memory and reads a volume; two processes against one.

pytest -m benchmark -s tests/benchmarks/test_real_size.py

It prints; nothing but the number of reads decides. MEDBENCH_BENCHMARK_SHAPE (512x512x256) is the volumes' shape;
MEDBENCH_BENCHMARK_DEVICE (cpu) the networks' device;
MEDBENCH_BENCHMARK_EXTRACTOR radimagenet-resnet50, -half (weights of its format, seeded) or seeded-resnet;
MEDBENCH_BENCHMARK_CENTRE (0.05) the central share of the slices that the extractor sees: all of them take RadImageNet
about ten minutes a volume.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import pytest

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(7200)]

HERE = Path(__file__).parent
DATA = HERE / "real_size_data.py"
SAMPLES = 2
EXTRACTOR = os.environ.get("MEDBENCH_BENCHMARK_EXTRACTOR", "radimagenet-resnet50")
DEVICE = os.environ.get("MEDBENCH_BENCHMARK_DEVICE", "cpu")
CENTRE = float(os.environ.get("MEDBENCH_BENCHMARK_CENTRE", "0.05"))
# CPU seconds a volume of 512 x 512 x 256 before there was one pass, each at its own reads (see docs/scale.md).
BEFORE = {"read": 3.65, "hu": 7.6, "volume-features": 6.0}
PROTOCOL = f"""
name = "real-size"
summary = "the folder protocol on a share of the slices"
extractor = "{EXTRACTOR}"
segmenter = "precomputed"
[window]
low = -1000.0
high = 1000.0
[slices]
planes = ["xy", "yz", "zx"]
normalisation = "window"
centre_ratio = {CENTRE}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from medbench import plugin_files

    module = plugin_files.import_file(DATA)
    root = tmp_path_factory.mktemp("real-size")
    held = {"real": (*range(4), 200, 201), "samples": range(400, 400 + SAMPLES)}
    for side, seeds in held.items():
        for seed in seeds:
            volume, labels = module.make(seed)
            volume.write(root / side / f"{seed}.nii.gz")
            labels.write(root / f"{side}-masks" / f"{seed}.nii.gz")
    names = {str(value): name for value, name in module.REGIONS.items()}
    (root / "samples-masks" / "labels.json").write_text(json.dumps(names), encoding="utf-8")
    (root / "protocol.toml").write_text(PROTOCOL, encoding="utf-8")
    if EXTRACTOR.startswith("radimagenet-resnet50"):
        import torch

        from medbench.features.radimagenet import build

        torch.manual_seed(0)
        torch.save(build().state_dict(), root / "weights.pth")
    return root


def evaluated(data: Path, workers: int) -> tuple[float, list[dict[str, object]], dict[str, object]]:
    """Run ``medbench evaluate`` from an empty home; return its wall time, what was counted, and its results."""
    home, log, out = (data / f"{what}{workers}" for what in ("home", "log", "out"))
    environment = {
        **os.environ, "MEDBENCH_HOME": str(home), "REAL_SIZE_LOG": str(log), "OMP_NUM_THREADS": "1",
        "MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50": str(data / "weights.pth"),
    }  # fmt: skip
    command = [
        sys.executable, "-m", "cli.main", "evaluate", str(data / "samples"), "--dataset", f"{DATA}:RealSize",
        "--data-root", str(data), "--masks", str(data / "samples-masks"), "--protocol", str(data / "protocol.toml"),
        "--device", DEVICE, "--workers", str(workers), "--out", str(out), "--leaderboard", "none",
    ]  # fmt: skip
    started = time.monotonic()
    subprocess.run(command, env=environment, check=True)
    wall = time.monotonic() - started
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    return wall, lines, json.loads((out / "results.json").read_text(encoding="utf-8"))


def test_one_read_a_volume_and_two_processes_against_one(data: Path) -> None:
    walls, results = {}, {}
    for workers in (1, 2):
        walls[workers], lines, results[workers] = evaluated(data, workers)
        _tell(workers, walls[workers], lines)
        # Figures and report read the handful that they show once more: what follows is not the metrics'.
        measured = itertools.takewhile(lambda line: line["what"] != "measured", lines)
        reads = Counter(str(line["name"]) for line in measured if _is_compared(line))
        assert set(reads.values()) == {1}, reads
        assert len(reads) == 2 * (6 + SAMPLES)
    print(f"\n2 workers against 1: {walls[1] / walls[2]:.2f} times (goal: 1.7)")
    numbers = [
        [{key: value for key, value in one.items() if key != "seconds"} for one in results[workers]["results"]]
        for workers in (1, 2)
    ]
    assert numbers[0] == numbers[1]


def _is_compared(line: dict[str, object]) -> bool:
    """Say whether a line tells of a read of a volume or mask that is compared, not of a source."""
    places = ("/prepared/", "/samples/", "/samples-masks/")
    return line["what"] == "read" and any(place in str(line["name"]) for place in places)


def _is_of_a_volume(line: dict[str, object]) -> bool:
    return _is_compared(line) and "labels" not in str(line["name"]) and "masks" not in str(line["name"])


def _tell(workers: int, wall: float, lines: list[dict[str, object]]) -> None:
    cpu: dict[str, float] = defaultdict(float)
    for line in lines:
        if line["what"] == "derive":
            cpu[str(line["name"])] += float(str(line["cpu"]))
        if line["what"] == "read":
            cpu["read" if _is_of_a_volume(line) else "read of masks, and to prepare"] += float(str(line["cpu"]))
    count = 6 + SAMPLES
    seen = f"{EXTRACTOR} on {CENTRE:.0%} of the slices, {DEVICE}"
    print(f"\n\n{workers} worker(s), {seen}, {count} volumes: {wall:.0f} s wall")
    print(f"{'what (facts include the read)':<32}{'CPU s a volume':>16}{'before':>10}")
    for name, seconds in sorted(cpu.items(), key=lambda one: -one[1]):
        print(f"{name:<32}{seconds / count:>16.2f}{BEFORE.get(name, ''):>10}")
    peaks = sorted(float(str(line["peak"])) for line in lines if line["what"] == "end")
    print(f"peak memory of the processes: {', '.join(f'{peak:.2f}' for peak in peaks)} GiB (goal: 2 without a network)")
