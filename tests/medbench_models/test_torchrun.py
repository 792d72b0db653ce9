"""Every generator trains on two processes as ``torchrun`` starts them: alike, like one with twice the batch, resumable.

``medlord/test_torchrun.py`` looks deeper, at the codes that both processes count.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from medbench.storage.tensors import read_weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

# The shipped configuration for a few steps. By model: stages, and in which task a process is killed. GANs on slabs have
# small rates: Adam without momentum begins with steps of full length, after which rounding alone leads far apart.
MODELS = {
    "medlord": (("stage1", "stage2", "stage3"), "train stage2"),
    "maisi-st": (("stage1", "stage2", "stage3"), "train stage2"),
    "maisi-pt": (("stage2", "stage3"), "train stage2"),  # its autoencoder is the published one
    "ha-gan": (("gan",), "train gan"),
    "crf-gan": (("gan",), "train gan"),
    "med-lsdm": (("stage1", "stage2"), "train stage2"),
    "voldit": (("stage2", "stage3"), "train stage2"),
    "vq-trans": (("stage1", "stage2"), "train stage2"),
}
FURTHER = {
    **dict.fromkeys(("ha-gan", "crf-gan"), "gan.rate=1e-6 gan.critic_rate=1e-6 gan.encoder_rate=1e-6"),
    "med-lsdm": "stage1.adversarial_from=0.5",  # so that its batch norms are among what is compared
}
STEPS = 4
# Share of the way from the first weights to the last. Where a gradient is next to nothing, rounding decides its sign,
# and Adam's first steps are as long for any gradient; where rows are nearly alike, it decides which code k-means gives
# them. Other samples or other noise lead as far apart as the way is.
TOLERANCE = 0.05
SCRIPT = """
import os, signal, sys, warnings
from functools import partial
from pathlib import Path
import torch
from medbench.training import loop

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
rank, out, model, settings, kill = int(os.environ.get("RANK", "0")), Path(sys.argv[1]), *sys.argv[2:5]
original, number = loop.train, [0]

def kept(task, plan, **others):
    setup, start = task.setup, {}
    def begun(fabric):
        setup(fabric)
        start.update({name: value.clone() for name, value in task.weights().items()})
    task.setup = begun
    trained = original(task, plan, **others)
    number[0] += 1
    torch.save({"start": start, "end": dict(task.weights())}, out / f"rank{rank}-{number[0]}.pt")
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
            if rank == 1 and task == kill and index == 2:
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


def run(folder: Path, model: str, *, processes: int = 2, kill: str = "") -> int:
    """Train with a batch of two in all and return the exit status."""
    script = folder.parent / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    stages, _ = MODELS[model]
    settings = [f"{stage}.steps={STEPS} {stage}.batch={2 // processes} {stage}.precision=32-true" for stage in stages]
    settings += [FURTHER.get(model, "")]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [sys.executable, *(launcher if processes > 1 else []), str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(folder), model, " ".join(settings), kill],
        env=environment, capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert kill or done.returncode == 0, done.stderr[-3000:]
    return done.returncode


@pytest.fixture(scope="module", params=MODELS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A model, and the folder ``whole`` of its training on two processes."""
    folder = tmp_path_factory.mktemp(request.param)
    run(folder / "whole", request.param)
    assert len(list((folder / "whole").glob("rank0-*.pt"))) == len(MODELS[request.param][0])
    return request.param, folder


def pairs(folder: Path, rank: str, other: Path, other_rank: str) -> list[tuple[dict, dict]]:
    """What each stage began and ended with on two processes."""
    files = sorted(folder.glob(f"{rank}-*.pt"))
    names = [file.name.replace(rank, other_rank) for file in files]
    return [
        (torch.load(file, weights_only=True), torch.load(other / name, weights_only=True))
        for file, name in zip(files, names)
    ]


def distance(some: Mapping[str, torch.Tensor], others: Mapping[str, torch.Tensor]) -> float:
    assert some.keys() == others.keys()
    return sum(float((some[name].double() - others[name].double()).square().sum()) for name in some) ** 0.5


def network_and_codes(weights: Mapping[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """Apart, since a codebook begins anew in the training: the way from its first numbers says nothing."""
    of_codes = {name for name in weights if name.startswith(("quantizer.", "codebook."))}
    return [{name: weights[name] for name in weights if (name in of_codes) == wanted} for wanted in (False, True)]


def test_two_processes_stay_alike(trained: tuple[str, Path]) -> None:
    _, folder = trained
    for first, second in pairs(folder / "whole", "rank0", folder / "whole", "rank1"):
        assert all(torch.equal(first["end"][name], second["end"][name]) for name in first["end"])


def test_two_processes_train_like_one_with_twice_the_batch(trained: tuple[str, Path]) -> None:
    model, folder = trained
    run(folder / "one", model, processes=1)
    for number, (two, one) in enumerate(pairs(folder / "whole", "rank0", folder / "one", "rank0"), start=1):
        (end, codes), (other_end, other_codes) = (network_and_codes(process["end"]) for process in (two, one))
        start, _ = network_and_codes(one["start"])
        nothing = {name: torch.zeros_like(value) for name, value in codes.items()}
        apart, way = distance(end, other_end), distance(start, other_end)
        codes_apart, size = distance(codes, other_codes), distance(nothing, other_codes)
        told = f"{model}, stage {number}: {apart:.1e} apart after {way:.1e}, codes {codes_apart:.1e} of {size:.1e}"
        print(told)  # noqa: T201  what is left of the tolerance
        assert apart <= TOLERANCE * way, told
        assert codes_apart <= TOLERANCE * size, told


def test_a_killed_process_resumes(trained: tuple[str, Path]) -> None:
    model, folder = trained
    assert run(folder / "killed", model, kill=MODELS[model][1]) != 0
    assert not (folder / "killed" / "checkpoint").exists()
    run(folder / "killed", model)
    (weights, description), (others, other) = (
        read_weights(one / (one / "checkpoint").read_text(encoding="utf-8"), model=model)
        for one in (folder / "whole", folder / "killed")
    )
    assert description == other
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
