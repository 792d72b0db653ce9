"""Slice features on a GPU: batch sizes, half precision, and what preparing slices ahead saves. They print.

pytest -m benchmark -s tests/benchmarks/test_slices.py

On a CPU, with a few small slices, they show no more than that they run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.engines.devices import resolve_device
from medbench.evaluation import derivations
from medbench.evaluation.cache import Cache
from medbench.evaluation.derivations import slice_features
from medbench.evaluation.instruments import Instruments
from medbench.features import radimagenet
from medbench.features.radimagenet import WEIGHTS, RadImageNetResNet50, build
from medbench.features.radimagenet_half import RadImageNetResNet50Half
from medbench.imaging.volume import Volume
from medbench.progress import silent
from medbench.spec import Protocol, SliceProtocol

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

DEVICE = resolve_device("auto")
ON_GPU = DEVICE != "cpu"
SIDE = 512 if ON_GPU else 128
COUNT = 64 if ON_GPU else 2
NETWORKS = (RadImageNetResNet50, RadImageNetResNet50Half)


@pytest.fixture(autouse=True)
def _weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random weights in the network's layout: time and memory do not depend on their values."""
    torch.manual_seed(0)
    torch.save(build().state_dict(), tmp_path / "weights.pth")
    monkeypatch.setenv(WEIGHTS.variable, str(tmp_path / "weights.pth"))
    monkeypatch.setenv("MEDBENCH_CPU_ENGINE", "torch")


def _seconds(run: Callable[[], object]) -> float:
    run()
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.info.name)
def test_slices_a_second_by_batch(network: type[RadImageNetResNet50], monkeypatch: pytest.MonkeyPatch) -> None:
    slices = np.random.default_rng(0).random((COUNT, SIDE, SIDE), dtype=np.float32)
    extractor = network(device=DEVICE)
    print()
    for front, back in ((1, 4), (4, 4), (4, 16), (16, 16)):
        monkeypatch.setattr(radimagenet, "_FRONT_PIXELS", front * SIDE**2)
        monkeypatch.setattr(radimagenet, "_BACK_PIXELS", back * SIDE**2)
        if ON_GPU:
            torch.cuda.reset_peak_memory_stats()
        found = _seconds(lambda: extractor.features(slices))
        peak = f", peak {torch.cuda.max_memory_allocated() / 1024**3:.2f} GiB" if ON_GPU else ""
        name = network.info.name
        print(f"{DEVICE}, {name}, {front} and {back} of {SIDE} x {SIDE} at once: {COUNT / found:.1f} slices a s{peak}")


@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.info.name)
def test_what_preparing_ahead_saves(
    network: type[RadImageNetResNet50], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = (SIDE, SIDE, 2 * COUNT)
    volume = Volume(np.random.default_rng(0).integers(-1000, 1000, shape, dtype=np.int16), np.eye(4))
    slices = SliceProtocol(planes=("xy",), normalisation="minmax_per_plane")
    protocol = Protocol(name="t", summary="t", extractor=network.info.name, slices=slices)
    lab = Instruments(protocol, device=DEVICE, cache=Cache(tmp_path), progress=silent, log_folder=tmp_path)
    features = slice_features(lab)
    found = {"ahead": _seconds(lambda: features.compute(volume))}
    monkeypatch.setattr(derivations, "ahead", iter)
    found["one after the other"] = _seconds(lambda: features.compute(volume))
    told = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found.items())
    print(f"\n{DEVICE}, {network.info.name}, {shape[2]} slices of {SIDE} x {SIDE} cut, scaled, seen: {told}")
