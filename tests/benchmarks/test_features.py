"""Throughput and memory of the feature networks. They print; they decide nothing.

pytest -m benchmark -s tests/benchmarks/test_features.py

MEDBENCH_BENCHMARK_CENTRE (0 to 1, default 1) keeps only the central share of the slices of the large volume, for
machines on which all of them would take too long; memory does not depend on it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.features import medicalnet
from medbench.features.radimagenet import _MEANS, RadImageNetResNet50, build
from medbench.features.seeded import SeededResNet3d
from medbench.imaging.slices import plane_slices
from medbench.spec import SliceProtocol, Window

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

PLANES = ("xy", "yz", "zx")
_LARGE = """
import os, resource, sys, time
import numpy as np
from medbench.features.radimagenet import RadImageNetResNet50
from medbench.imaging.slices import plane_slices
from medbench.spec import SliceProtocol, Window
chance = np.random.default_rng(0)
voxels = np.empty((512, 512, 512), dtype=np.int16)
for plane in voxels:
    plane[...] = chance.integers(-1000, 1000, plane.shape, dtype=np.int16)
centre = float(os.environ.get("MEDBENCH_BENCHMARK_CENTRE", "1"))
protocol = SliceProtocol(normalisation="minmax_per_plane", centre_ratio=centre)
extractor = RadImageNetResNet50(device="cpu")
started, count = time.perf_counter(), 0
for plane in protocol.planes:
    for chunk in plane_slices(voxels, plane, protocol=protocol, window=Window()):
        count += len(extractor.features(chunk))
seconds = time.perf_counter() - started
print(count, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)
"""
# One worker of an evaluation: a process with one thread, which starts when it is told to.
_WORKER = """
import sys
import numpy as np, torch
from medbench.features.radimagenet import RadImageNetResNet50
torch.set_num_threads(1)
slices = np.random.default_rng(0).random((int(sys.argv[1]), 512, 512), dtype=np.float32)
extractor = RadImageNetResNet50(device="cpu")
extractor.features(slices[:1])
print("ready", flush=True)
for _ in sys.stdin:
    extractor.features(slices)
    print("done", flush=True)
"""


@pytest.fixture
def weights_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Random weights in the network's layout: time and memory do not depend on their values."""
    torch.manual_seed(0)
    path = tmp_path / "weights.pth"
    torch.save(build().state_dict(), path)
    monkeypatch.setenv("MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50", str(path))
    return path


def _plain(network: torch.nn.Module, planes: dict[str, np.ndarray]) -> np.ndarray:
    """The documented procedure: every plane as one batch through the plain module."""
    means = torch.tensor(_MEANS).view(1, 3, 1, 1)
    with torch.inference_mode():
        found = [network(torch.from_numpy(plane)[:, None] - means).numpy() for plane in planes.values()]
    return np.concatenate(found)


def _timed(run: Callable[[], np.ndarray]) -> tuple[float, float, np.ndarray]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = run()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def test_throughput_of_radimagenet_against_the_plain_procedure(weights_file: Path) -> None:
    voxels = np.random.default_rng(0).integers(-1000, 1000, (128, 128, 96), dtype=np.int16)
    planes = {
        plane: np.concatenate(list(plane_slices(voxels, plane, protocol=SliceProtocol(), window=Window())))
        for plane in PLANES
    }
    network = build().eval()
    network.load_state_dict(torch.load(weights_file, weights_only=True))
    extractor = RadImageNetResNet50(device="cpu")
    extractor.features(planes["xy"][:1])

    def ours() -> np.ndarray:
        return np.concatenate([extractor.features(plane) for plane in planes.values()])

    rounds = [(_timed(lambda: _plain(network, planes)), _timed(ours)) for _ in range(3)]
    for name, column in (("wall", 0), ("CPU", 1)):
        plain, fast = (min(one[side][column] for one in rounds) for side in (0, 1))
        print(
            f"\n128 x 128 x 96, three planes, {name}: plain {plain:.2f} s, ours {fast:.2f} s, ratio {plain / fast:.2f}"
        )
    gap = np.abs(rounds[0][0][2] - rounds[0][1][2]).max()
    print(f"largest difference of a feature: {gap:.1e} (allowed: 1e-3); threads: {torch.get_num_threads()}")


def test_throughput_of_all_cores_at_512(weights_file: Path) -> None:
    """As an evaluation uses them, one process of one thread a core, against the plain procedure on as many threads."""
    cores, each = torch.get_num_threads(), 4
    slices = np.random.default_rng(0).random((cores * each, 512, 512), dtype=np.float32)
    network = build().eval()
    network.load_state_dict(torch.load(weights_file, weights_only=True))
    _plain(network, {"xy": slices[:1]})
    plain = min(_timed(lambda: _plain(network, {"xy": slices}))[0] for _ in range(2)) / len(slices)
    print(f"\n512 x 512 on {cores} cores: plain {plain:.3f} s a slice")
    for engine in ("torch", "onnxruntime"):
        found = _wall_of_workers(engine, cores, each) / (cores * each)
        print(f"{cores} processes, {engine}: {found:.3f} s a slice, {plain / found:.2f} times (goal: 2.5)")


def _wall_of_workers(engine: str, count: int, each: int) -> float:
    command = [sys.executable, "-c", _WORKER, str(each)]
    environment = {**os.environ, "MEDBENCH_CPU_ENGINE": engine, "OMP_NUM_THREADS": "1"}
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
            )
            for _ in range(count)
        ]

        def all_say(word: str) -> None:
            for worker in workers:
                assert worker.stdout is not None and worker.stdout.readline().strip() == word

        def round_() -> np.ndarray:
            for worker in workers:
                assert worker.stdin is not None
                print(file=worker.stdin, flush=True)
            all_say("done")
            return np.empty(0)

        all_say("ready")
        return min(_timed(round_)[0] for _ in range(2))


def test_a_large_volume_needs_little_memory(weights_file: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _LARGE], check=True, capture_output=True, text=True, env=os.environ)
    count, seconds, peak = map(float, done.stdout.split())
    print(f"\n512 x 512 x 512: {count:.0f} slices in {seconds:.0f} s, peak {peak:.2f} GiB (goal: 4 GB)")


def test_volume_networks() -> None:
    extractor = SeededResNet3d(device="cpu")
    for shape in ((64, 64, 32), (512, 512, 256)):
        voxels = np.random.default_rng(0).random(shape, dtype=np.float32)
        extractor.features(voxels)
        seconds, _, _ = _timed(lambda voxels=voxels: extractor.features(voxels))
        print(f"\nseeded-resnet3d, {shape}: {seconds:.2f} s")
    network = medicalnet.build().eval()
    with torch.inference_mode():
        seconds, _, _ = _timed(lambda: network(torch.rand(1, 1, 256, 256, 128)).numpy())
    print(f"medicalnet-resnet10 at its most voxels (256 x 256 x 128): {seconds:.2f} s")
