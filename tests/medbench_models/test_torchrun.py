"""Every generator trains on two processes as ``torchrun`` starts them: they stay alike, and a killed one resumes.

``medlord/test_torchrun.py`` looks deeper, at the codes that both processes count.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from medbench.storage.tensors import read_weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

# The shipped configuration for a few steps. By model: settings, and at which step of which task a process is killed.
MODELS = {
    "medlord": (("stage1", "stage2", "stage3"), "train stage2"),
    "maisi-st": (("stage1", "stage2", "stage3"), "train stage2"),
    "maisi-pt": (("stage2", "stage3"), "train stage2"),  # its autoencoder is the published one
    "ha-gan": (("gan",), None),
    "crf-gan": (("gan",), None),
    "med-lsdm": (("stage1", "stage2"), "train stage2"),
    "voldit": (("stage2", "stage3"), "train stage2"),
    "vq-trans": (("stage1", "stage2"), "train stage2"),
}
STEPS = 4
SCRIPT = """
import os, signal, sys, warnings
from functools import partial
from pathlib import Path
import torch
from medbench.training import loop

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
rank, out, model, settings, kill = int(os.environ["RANK"]), Path(sys.argv[1]), *sys.argv[2:5]
original, number = loop.train, [0]

def kept(task, plan, **others):
    trained = original(task, plan, **others)
    number[0] += 1
    torch.save(dict(task.weights()), out / f"rank{rank}-{number[0]}.pt")
    return trained

loop.train = kept  # before any generator takes it
from medbench import registry
from medbench.datasets.base import Case
from medbench.datasets.phantom.dataset import generate
from medbench.generators.base import FitRequest
from medbench.pipeline.presets import choose_preset

class Killed:
    def track(self, items, *, task, total=None):
        for index, item in enumerate(items):
            if rank == 1 and kill and task.startswith("train") and (task == kill or kill == "any") and index == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            yield item
    def note(self, message):
        pass

def cases(split, first, count):
    part = lambda seed, place: generate(seed, (64, 64, 32))[place]
    return [
        Case(f"c{seed}", split, f"c{seed}", partial(part, seed, 0), partial(part, seed, 1))
        for seed in range(first, first + count)
    ]

out.mkdir(parents=True, exist_ok=True)
chosen = choose_preset(registry.load("generators", model), "tiny", settings.split(), None)
request = FitRequest(cases("train", 0, 4), cases("select", 100, 2), out, seed=3, resume=True, progress=Killed())
path = chosen.make("cpu").fit(request)
if rank == 0:
    (out / "checkpoint").write_text(path.name)
"""


def run(folder: Path, model: str, kill: str = "") -> int:
    """Train in two processes and return the exit status."""
    script = folder.parent / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    settings = " ".join(f"{stage}.steps={STEPS} {stage}.batch=1" for stage in MODELS[model][0])
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(folder), model, settings, kill],
        env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert kill or done.returncode == 0, done.stderr[-3000:]
    return done.returncode


@pytest.mark.parametrize("model", MODELS)
def test_two_processes_stay_alike_and_a_killed_one_resumes(model: str, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(whole, model)
    firsts = sorted(whole.glob("rank0-*.pt"))
    assert len(firsts) >= len(MODELS[model][0])
    for file in firsts:
        first, second = (
            torch.load(whole / file.name.replace("rank0", rank), weights_only=True) for rank in ("rank0", "rank1")
        )
        assert first.keys() == second.keys()
        assert all(torch.equal(first[name], second[name]) for name in first), file.name
    assert run(killed, model, kill=MODELS[model][1] or "any") != 0
    assert not (killed / "checkpoint").exists()
    run(killed, model)
    (weights, description), (others, other) = (
        read_weights(folder / (folder / "checkpoint").read_text(encoding="utf-8"), model=model)
        for folder in (whole, killed)
    )
    assert description == other
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
