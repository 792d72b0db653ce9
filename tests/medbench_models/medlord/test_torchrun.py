"""Training by two processes on the CPU (gloo): what ``torchrun`` starts on several GPUs."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from medbench.storage.tensors import read_weights

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# A configuration of a few channels, cases of random contents, and a record of what each process ended with.
SCRIPT = """
import os, sys, warnings
from pathlib import Path
import numpy as np, torch
from medbench.datasets.base import Case
from medbench.generators.base import FitRequest
from medbench.progress import silent
from medbench.imaging.volume import LabelMap, Volume
from medbench_models.medlord import fitting, presets
from medbench_models.medlord.generator import MedLoRD
from medbench_models.shared import quantiser

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
rank, out, kill = int(os.environ["RANK"]), Path(sys.argv[1]), sys.argv[2:]
tiny = presets.PRESETS["tiny"]
update = lambda spec, **values: spec.model_copy(update=values)
network = update(
    tiny.network,
    vqvae=update(tiny.network.vqvae, channels=(4, 8), codebook_size=16),
    unet=update(tiny.network.unet, channels=(8, 8), timesteps=50),
    controlnet=update(
        tiny.network.controlnet, regions=("left", "right"), embedding_channels=(2, 4), norm_groups=2,
        head_channels=(2, 2),
    ),
)
presets.PRESETS["tiny"] = update(
    tiny,
    network=network,
    stage1=update(
        tiny.stage1, steps=10, crop=(16, 16, 8), batch=2, accumulate=2, precision="32-true", discriminator_layers=1,
        discriminator_channels=4, adversarial_from=0.6,
    ),
    stage2=update(tiny.stage2, steps=6, batch=2, precision="32-true"),
    stage3=update(tiny.stage3, steps=6, batch=2, precision="32-true"),
)

def cases(split, count):
    for index in range(count):
        rng = np.random.default_rng([index, len(split)])
        voxels = np.cumsum(rng.normal(0, 120, (16, 16, 16)), axis=0).clip(-1000, 1000).astype(np.int16)
        labels = (np.arange(16)[:, None, None] // 8 + 1 + 0 * voxels).astype(np.uint8)
        volume, label_map = Volume(voxels, np.eye(4)), LabelMap(labels, np.eye(4), {1: "left", 2: "right"})
        yield Case(f"{split}{index}", split, f"{split}{index}", lambda v=volume: v, lambda m=label_map: m)

rows, tasks, started = [], [], []
count = quantiser.EmaQuantiser._count
def counted(self, seen, indices):
    found = count(self, seen, indices)
    rows.append(len(seen))
    return found
quantiser.EmaQuantiser._count = counted
set_codes = quantiser.EmaQuantiser._set_codes
def noted(self, where, codes):
    set_codes(self, where, codes)
    started.append(self.embedding.weight.detach().clone())
quantiser.EmaQuantiser._set_codes = noted
made = fitting.CodeFitting.stage
def kept(self, task, name, config, described):
    trained = made(self, task, name, config, described)
    tasks.append((name, task))
    return trained
fitting.CodeFitting.stage = kept

class Killed:
    def track(self, items, *, task, total=None):
        for index, item in enumerate(items):
            if kill and task == kill[0] and index == int(kill[1]):
                sys.exit(7)
            yield item
    def note(self, message):
        pass

train, select = list(cases("train", 6)), list(cases("select", 2))
MedLoRD("tiny", device="cpu").fit(FitRequest(train, select, out, seed=3, resume=True, progress=Killed()))
record = {"rows": rows[-1:], "started": started} | {name: dict(task.weights()) for name, task in tasks}
torch.save(record, out / f"rank{rank}.pt")
"""


def run(script: Path, *arguments: str) -> int:
    """Run the script in two processes and return the exit status."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run([*command, *arguments], env=environment, capture_output=True, timeout=500).returncode


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torchrun")
    script = folder / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    assert run(script, str(folder / "whole")) == 0
    return folder


def same(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return some.keys() == others.keys() and all(torch.equal(some[name], others[name]) for name in some)


def test_both_processes_end_with_the_same_weights(trained: Path) -> None:
    first, second = (torch.load(trained / "whole" / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    for stage in ("stage1", "stage2", "stage3"):
        assert same(first[stage], second[stage]), stage


def test_both_processes_start_from_the_same_codes_though_each_has_seen_other_rows(trained: Path) -> None:
    first, second = (torch.load(trained / "whole" / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
    assert len(first["started"]) == len(second["started"]) > 0
    assert all(torch.equal(some, others) for some, others in zip(first["started"], second["started"], strict=True))


def test_counts_of_codes_are_those_of_both_processes(trained: Path) -> None:
    """The averages sum to what both have counted: 1 a code at the start, then each pass's rows by the decay."""
    state = torch.load(trained / "whole" / "stage1" / "state.pt", weights_only=True)["state"]["autoencoder"]
    total = float(state["quantizer.quantizer.ema_cluster_size"].sum())
    rows = torch.load(trained / "whole" / "rank0.pt", weights_only=True)["rows"][0]
    assert rows == 2 * 4 * 4 * 2  # a process's crops in latent positions
    decayed = 0.95 ** (2 * 8)  # two passes in each of the eight steps with codes
    assert total == pytest.approx(16 * decayed + 2 * rows * (1 - decayed), rel=0.1)  # dead codes restart at 1


def test_a_training_killed_in_both_processes_goes_on_to_the_same_checkpoint(trained: Path) -> None:
    for kill in (("train stage1", "5"), ("train stage2", "4"), ("train stage3", "3")):
        assert run(trained / "train.py", str(trained / "killed"), *kill) != 0
    assert run(trained / "train.py", str(trained / "killed")) == 0
    (weights, description), (others, other) = (
        read_weights(trained / name / "medlord-tiny.safetensors") for name in ("whole", "killed")
    )
    assert description == other
    assert same(weights, others)
    assert np.isfinite(description["scores"]["select_psnr_db"])
