from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from medbench.datasets.base import Case, Split
from medbench.errors import CheckpointError, DataError
from medbench.generators.base import FitRequest, SampleRequest
from medbench.imaging.volume import Volume
from medbench.progress import silent
from medbench.storage.tensors import read_weights
from medbench_models.medlord.config import MedLoRDConfig
from medbench_models.medlord.data import Crops, cache_volumes, random_crops
from medbench_models.medlord.encoding import scale_factor
from medbench_models.medlord.generator import MedLoRD
from medbench_models.medlord.presets import PRESETS
from medbench_models.medlord.stage1 import VqvaeTask

Make = Callable[[Split, int], list[Case]]


class KillIn:
    """Progress that is interrupted in a task after some items."""

    def __init__(self, task: str, items: int) -> None:
        self.task = task
        self.items = items

    def track(self, items: Iterable[Any], *, task: str, total: int | None = None) -> Iterator[Any]:
        del total
        for index, item in enumerate(items):
            if task == self.task and index == self.items:
                raise KeyboardInterrupt
            yield item

    def note(self, message: str) -> None:
        del message


def fit(workspace: Path, make_cases: Make, *, resume: bool = True, progress: Any = silent) -> Path:
    model = MedLoRD("tiny", device="cpu")
    train, select = make_cases("train", 6), make_cases("select", 2)
    return model.fit(FitRequest(train, select, workspace, seed=3, resume=resume, progress=progress))


@pytest.mark.usefixtures("small_preset")
def test_a_fit_killed_in_every_stage_gives_the_same_checkpoint(tmp_path: Path, make_cases: Make) -> None:
    whole = fit(tmp_path / "whole", make_cases)
    for kill in (
        KillIn("read volumes", 3),
        KillIn("train stage1", 5),
        KillIn("encode", 2),
        KillIn("train stage2", 4),
        KillIn("train stage3", 3),
    ):
        with pytest.raises(KeyboardInterrupt):
            fit(tmp_path / "killed", make_cases, progress=kill)
    resumed = fit(tmp_path / "killed", make_cases)
    (weights, description), (others, other) = read_weights(whole), read_weights(resumed)
    assert description == other
    assert all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.usefixtures("small_preset")
def test_the_checkpoint_describes_itself_and_samples(tmp_path: Path, make_cases: Make) -> None:
    path = fit(tmp_path, make_cases)
    _, description = read_weights(path)
    assert description["model"] == "medlord"
    assert description["preset"] == "tiny"
    assert description["seed"] == 3
    assert description["trained_on"] == 6
    assert description["shape"] == [16, 16, 16]
    assert description["scale_factor"] > 0
    model = MedLoRD("tiny", device="cpu")
    model.load(path)
    (volume,) = model.sample(SampleRequest(seeds=[1]))
    assert volume.shape == (16, 16, 16)
    assert volume.voxels.dtype == np.int16
    assert volume.spacing_mm == pytest.approx((5.0, 5.0, 6.0))


@pytest.mark.usefixtures("small_preset")
def test_without_resume_everything_is_made_anew(tmp_path: Path, make_cases: Make) -> None:
    first = fit(tmp_path, make_cases).stat().st_mtime_ns
    stale = tmp_path / "stage1" / "state.pt"
    stale.write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="damaged"):
        fit(tmp_path, make_cases)
    assert fit(tmp_path, make_cases, resume=False).stat().st_mtime_ns > first


def test_the_phases_of_stage_1(small: MedLoRDConfig, make_cases: Make) -> None:
    from medbench.training.loop import launch, step_chance

    volumes = np.stack([case.read_volume().voxels for case in make_cases("train", 4)])
    task = VqvaeTask(small.network, small.stage1, train=volumes, select=volumes[:1], seed=0)
    task.setup(launch("cpu"))
    logged = [task.step(index, step_chance(0, index)) for index in range(10)]
    commitments = [float(losses["commitment"]) for losses in logged]
    assert commitments[:2] == [0.0, 0.0]  # a quarter of 10 steps, without codes
    assert min(commitments[2:]) > 0.0
    assert ["discriminator" in losses for losses in logged] == [False] * 7 + [True] * 3
    assert np.isfinite(task.validate()["score"])


def test_before_codes_are_in_use_no_weights_are_chosen(small: MedLoRDConfig, make_cases: Make) -> None:
    from medbench.training.loop import launch, step_chance

    volumes = np.stack([case.read_volume().voxels for case in make_cases("train", 2)])
    task = VqvaeTask(small.network, small.stage1, train=volumes, select=volumes[:1], seed=0)
    task.setup(launch("cpu"))
    task.step(0, step_chance(0, 0))
    assert task.validate()["score"] == float("inf")


def test_crops_are_aligned_and_inside() -> None:
    volumes = np.arange(64 * 64 * 32, dtype=np.int32).reshape(1, 64, 64, 32)
    chance = torch.Generator().manual_seed(0)
    crops = random_crops(volumes, Crops((32, 32, 32), align=4, centred=True), batch=50, chance=chance)
    first = np.stack(np.unravel_index(crops[:, 0, 0, 0], volumes.shape[1:]), axis=1)
    assert (first % 4 == 0).all()
    assert first[:, 0].min() == 0
    assert first[:, 0].max() == 32
    assert (first[:, 2] == 0).all()


@pytest.mark.usefixtures("small_preset")
def test_a_training_needs_cases_of_both_splits(tmp_path: Path, make_cases: Make) -> None:
    with pytest.raises(DataError, match=r"no cases in the split select: .* splits\.json"):
        MedLoRD("tiny", device="cpu").fit(FitRequest(make_cases("train", 6), [], tmp_path / "w", 3, True, silent))
    assert not list(tmp_path.iterdir())


def test_cases_of_several_shapes_are_refused(tmp_path: Path, make_cases: Make) -> None:
    odd = Volume(np.zeros((8, 8, 8), np.int16), np.eye(4))
    cases = [*make_cases("train", 1), Case(id="odd", split="train", patient="odd", read_volume=lambda: odd)]
    with pytest.raises(DataError, match="case odd has the shape"):
        cache_volumes(cases, tmp_path / "volumes.npy", silent)
    assert not list(tmp_path.iterdir())


def test_a_cache_of_other_cases_is_refused(tmp_path: Path, make_cases: Make) -> None:
    cache_volumes(make_cases("train", 2), tmp_path / "volumes.npy", silent)
    with pytest.raises(CheckpointError, match="holds 2 volumes, not 3"):
        cache_volumes(make_cases("train", 3), tmp_path / "volumes.npy", silent)


def test_scale_factor_is_the_inverse_deviation_of_all_latents() -> None:
    chance = np.random.default_rng(0)
    indices, codes = chance.integers(0, 16, (4, 5, 6, 7)).astype(np.uint16), torch.randn(16, 8)
    latents = codes[torch.from_numpy(indices.astype(np.int64))]
    assert scale_factor(indices, codes) == pytest.approx(1.0 / float(latents.double().std()), rel=1e-9)
    with pytest.raises(CheckpointError, match="encodes every volume alike"):
        scale_factor(np.zeros((2, 3, 3, 3), np.uint16), torch.ones(16, 8))


def test_a_cpu_says_that_it_does_not_mix_float16(
    small: MedLoRDConfig, tmp_path: Path, make_cases: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    halved = small.model_copy(update={"stage2": small.stage2.model_copy(update={"precision": "16-mixed"})})
    monkeypatch.setitem(PRESETS, "tiny", halved)
    notes: list[str] = []
    progress = KillIn("train stage1", 0)
    progress.note = notes.append
    with pytest.raises(KeyboardInterrupt):
        fit(tmp_path, make_cases, progress=progress)
    assert any(note.startswith("a CPU mixes bfloat16") for note in notes)
