import shutil
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric

from medbench.errors import CheckpointError
from medbench.progress import silent
from medbench.storage.seals import sealed_path
from medbench.training import loop
from medbench.training.averaging import Ema, seeded
from medbench.training.chance import Chance
from medbench.training.loop import BEST_FILE, STATE_FILE, Plan, Stateful, launch, precision_on, train


class LineTask:
    """Fits a line to noisy points drawn from the step's chance."""

    def __init__(self) -> None:
        with seeded(0):
            self.line = torch.nn.Linear(1, 1)
        self.ema = Ema(self.line, 0.9)
        self.losses: dict[int, float] = {}

    def setup(self, fabric: Fabric) -> None:
        self.fabric = fabric
        optimiser = torch.optim.AdamW(self.line.parameters(), lr=0.05)
        self.net, self.optimiser = fabric.setup(self.line, optimiser)

    def load(self, index: int, chance: Chance) -> torch.Tensor:
        del index
        return chance.batches(8)[0].normal(1)

    def step(self, index: int, loaded: torch.Tensor) -> Mapping[str, torch.Tensor]:
        x = loaded
        loss = (self.net(x) - (3.0 * x + 1.0)).square().mean()
        self.optimiser.zero_grad()
        self.fabric.backward(loss)
        self.optimiser.step()
        self.ema.update(self.line)
        self.losses[index] = float(loss.detach())
        return {"mse": loss}

    def validate(self) -> Mapping[str, float]:
        return {"score": abs(float(self.line.weight.detach()) - 3.0)}

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: value.clone() for name, value in self.line.state_dict().items()}

    def state(self) -> Mapping[str, Stateful]:
        return {"line": self.line, "optimiser": self.optimiser, "ema": self.ema}


PLAN = Plan(name="line", steps=30, seed=5, save_every=7, validate_every=10, log_every=5, settings={"lr": 0.05})


def run(folder: Path, *, plan: Plan = PLAN, resume: bool = True, progress: Any = silent) -> LineTask:
    task = LineTask()
    train(task, plan, fabric=launch("cpu"), folder=folder, resume=resume, progress=progress)
    return task


def test_a_killed_run_has_the_same_losses_as_an_uninterrupted_one(tmp_path: Path, noting: Any) -> None:
    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", progress=noting("line", 17))
    rest = run(tmp_path / "killed")
    assert sorted(rest.losses) == list(range(14, 30))  # the checkpoint before the kill
    assert rest.losses == {index: whole.losses[index] for index in rest.losses}
    assert rest.ema.state_dict()["updates"] == 30
    assert all(torch.equal(rest.ema.average[name], whole.ema.average[name]) for name in whole.ema.average)
    best, other = (torch.load(tmp_path / name / BEST_FILE, weights_only=True) for name in ("whole", "killed"))
    assert best["step"] == other["step"]
    assert all(torch.equal(best["weights"][name], other["weights"][name]) for name in best["weights"])


def test_a_finished_run_trains_no_further(tmp_path: Path) -> None:
    run(tmp_path)
    assert run(tmp_path).losses == {}


def test_without_resume_the_run_begins_anew(tmp_path: Path) -> None:
    run(tmp_path)
    assert len(run(tmp_path, resume=False).losses) == 30


def test_the_best_weights_are_returned_not_the_last(tmp_path: Path) -> None:
    class Worsening(LineTask):
        def validate(self) -> Mapping[str, float]:
            return {"score": float(len(self.losses))}

    trained = train(Worsening(), PLAN, fabric=launch("cpu"), folder=tmp_path, resume=True, progress=silent)
    assert trained.step == 10
    assert trained.scores == {"score": 10.0}


def test_a_checkpoint_of_other_settings_is_not_used(tmp_path: Path, noting: Any) -> None:
    run(tmp_path)
    progress = noting()
    other = replace(PLAN, settings={"lr": 0.1})
    assert len(run(tmp_path, plan=other, progress=progress).losses) == 30
    assert [note.partition(" is damaged or")[0] for note in progress.notes] == [str(tmp_path / STATE_FILE)]


def left_by(processes: int, folder: Path) -> None:
    """Change the state in a folder into one that so many processes left."""
    path = folder / STATE_FILE
    document = torch.load(path, weights_only=True) | {"processes": processes}
    with sealed_path(path, f"{STATE_FILE} of {PLAN.key}") as temporary:
        torch.save(document, temporary)


def test_a_training_that_goes_on_with_other_processes_says_what_changes(tmp_path: Path, noting: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress=noting("line", 17))
    left_by(2, tmp_path)
    progress = noting()
    assert sorted(run(tmp_path, progress=progress).losses) == list(range(14, 30))
    assert progress.notes == ["line: begun by 2 process(es), goes on with 1: a step now sees 0.5 times as many samples"]


def test_nothing_is_said_of_other_processes_where_nothing_is_left_to_train(tmp_path: Path, noting: Any) -> None:
    run(tmp_path)
    left_by(2, tmp_path)
    progress = noting()
    run(tmp_path, progress=progress)
    assert progress.notes == []


@pytest.mark.parametrize("name", [STATE_FILE, BEST_FILE])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "another's", "lost"])
def test_a_damaged_checkpoint_is_made_again(tmp_path: Path, name: str, damage: str, noting: Any) -> None:
    whole = run(tmp_path / "whole")
    other = replace(PLAN, seed=6)
    run(tmp_path / "other", plan=other)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "damaged", progress=noting("line", 17))
    path = tmp_path / "damaged" / name
    content = path.read_bytes()
    if damage == "flip":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "another's":
        for suffix in ("", ".seal"):
            shutil.copy2(tmp_path / "other" / f"{name}{suffix}", tmp_path / "damaged" / f"{name}{suffix}")
    elif damage == "lost":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else content[:300])
    progress = noting()
    assert run(tmp_path / "damaged", progress=progress).losses == whole.losses  # from the first step
    assert len(progress.notes) == (damage != "lost")
    best = [torch.load(tmp_path / folder / BEST_FILE, weights_only=True) for folder in ("whole", "damaged")]
    assert all(torch.equal(best[0]["weights"][name], best[1]["weights"][name]) for name in best[0]["weights"])


def test_a_training_without_a_finite_score_has_no_best_weights(tmp_path: Path) -> None:
    class Diverging(LineTask):
        def validate(self) -> Mapping[str, float]:
            return {"score": float("nan")}

    run(tmp_path)  # its best weights are not taken for the next one's
    with pytest.raises(CheckpointError, match="no score on the selection split was finite"):
        train(Diverging(), PLAN, fabric=launch("cpu"), folder=tmp_path, resume=False, progress=silent)


def test_a_state_without_a_part_of_the_task_is_refused(tmp_path: Path) -> None:
    run(tmp_path)
    path = tmp_path / STATE_FILE
    document = torch.load(path, weights_only=True)
    del document["state"]["ema"]
    with sealed_path(path, f"{STATE_FILE} of {PLAN.key}") as temporary:
        torch.save(document, temporary)
    with pytest.raises(CheckpointError, match=r"another version \(ema missing\): begin anew with --no-resume"):
        run(tmp_path)


def logged(folder: Path) -> dict[str, list[int]]:
    """Return the steps of every scalar in a folder's TensorBoard files, as TensorBoard shows them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = EventAccumulator(str(folder))
    log.Reload()
    return {name: [entry.step for entry in log.Scalars(name)] for name in log.Tags()["scalars"]}


def test_tensorboard_shows_every_loss_and_score_once(tmp_path: Path, noting: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress=noting("line", 17))
    assert logged(tmp_path) == {"train/mse": [5, 10, 15], "select/score": [10]}
    run(tmp_path)  # begins at step 14 again
    assert logged(tmp_path) == {"train/mse": [5, 10, 15, 20, 25, 30], "select/score": [10, 20, 30]}


def test_without_tensorboard_a_training_says_so_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noting: Any
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    told = noting()
    assert sorted(run(tmp_path, progress=told).losses) == list(range(30))
    assert told.notes == [
        "a TensorBoard log of this training needs tensorboard, which is not installed: "
        'python -m pip install "medbench[train]"'
    ]
    assert not list(tmp_path.glob("events.*"))


def test_a_cpu_mixes_bfloat16_in_place_of_float16(capfd: pytest.CaptureFixture[str]) -> None:
    assert precision_on("cpu", "16-mixed") == "bf16-mixed"
    assert precision_on("cuda:1", "16-mixed") == "16-mixed"
    assert precision_on("cpu", "32-true") == "32-true"
    assert launch("cpu", "16-mixed").strategy.precision.precision == "bf16-mixed"
    assert capfd.readouterr().err == ""


def test_a_state_that_was_left_under_other_rules_of_chance_is_not_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noting: Any
) -> None:
    run(tmp_path)
    monkeypatch.setattr(loop, "RULES", loop.RULES + 1)
    progress = noting()
    assert len(run(tmp_path, progress=progress).losses) == 30
    assert len(progress.notes) == 1
