"""The real nnU-Net, in its smallest form: minutes, hence not in the default run."""

from __future__ import annotations

import importlib.util
import shutil
import signal
from dataclasses import replace
from importlib import resources

import numpy as np
import psutil
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import Unavailable
from medbench.imaging.volume import LabelMap
from medbench.metrics.downstream import arm, task
from medbench.metrics.downstream.metric import Downstream
from medbench.metrics.downstream.presets import PRESETS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

SHAPE = (32, 32, 16)
REGIONS = ("lung_left", "lung_right")
SMALLEST = replace(PRESETS["tiny"], epochs=4, iterations=15)


@pytest.fixture(autouse=True)
def smallest(monkeypatch):
    monkeypatch.setattr(task, "PRESETS", {"tiny": SMALLEST})


@pytest.fixture
def measure(make_evidence, make_side):
    def side(seeds, *, shift=0):
        scans, maps = zip(*(generate(seed, SHAPE) for seed in seeds))
        moved = [LabelMap(np.roll(one.voxels, shift, axis=0), one.affine, one.names) for one in maps]
        return make_side(len(scans), scans=scans, drawn=moved)

    def measured(*, shift=0):
        evidence = make_evidence(
            side(range(6)),
            side(range(100, 106), shift=shift),
            held_out=side(range(200, 206)),
            downstream="tiny",
            regions=REGIONS,
        )
        return Downstream().measure(evidence)

    return measured


@pytest.fixture
def trainers():
    path = resources.files("medbench.metrics.downstream") / "trainers" / "medbench_trainers.py"
    spec = importlib.util.spec_from_file_location("medbench_trainers", str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rare_labels_weigh_more_up_to_a_bound(trainers):
    counts = trainers._voxels(np.array([[-1, 0, 0, 0], [0, 2, 2, 2]]), 4)
    assert counts.tolist() == [4, 0, 3, 0]
    weights = trainers._weights(np.array([10_000, 2_500, 100, 0]))
    assert weights.mean() == pytest.approx(1)
    assert (weights / weights[0]).tolist() == pytest.approx([1, 2, 10, 20])


def test_broken_labels_teach_less_than_good_ones(measure, tmp_path):
    good, bad = measure(), measure(shift=8)
    assert good.ceiling > 0.6
    assert good.ceiling == bad.ceiling
    assert good.value > bad.value + 0.2
    assert good.parts["synthetic_minus_real"]["ci_low"] > bad.parts["synthetic_minus_real"]["ci_high"]
    assert measure().value == good.value


def test_a_training_killed_in_the_middle_goes_on(measure, tmp_path, monkeypatch):
    """Killed outright in its third epoch, it goes on after the second and ends where it would have ended."""
    whole = measure()
    shutil.rmtree(tmp_path / "workspace")
    plain = arm.run

    def killing(tool, arguments, **options):
        for line in plain(tool, arguments, **options):
            yield line
            if tool == "nnUNetv2_train" and line.rstrip().endswith("Epoch 2"):
                for child in psutil.Process().children():
                    child.send_signal(signal.SIGKILL)

    monkeypatch.setattr(arm, "run", killing)
    with pytest.raises(Unavailable, match="it was killed"):
        measure()
    monkeypatch.setattr(arm, "run", plain)
    resumed = measure()
    log = next((tmp_path / "workspace" / "logs").rglob("downstream-real-train.log")).read_text()
    assert log.count("$ nnUNetv2_train") == 2
    assert "--c" in log
    assert log.count("Epoch time") == SMALLEST.epochs
    assert resumed.ceiling == pytest.approx(whole.ceiling, abs=1e-3)
    assert resumed.value == pytest.approx(whole.value, abs=1e-3)
