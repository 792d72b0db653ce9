"""The shared training loop on Lightning Fabric: precision, processes, checkpoints, exact resume, logs.

A network's training is a ``Task``: its modules, its optimisers and what one step does with them. All else is here,
once. Chance belongs to the samples of a step (``chance``), never to a global state: a run that was killed and started
again sees the same data and the same noise, and has the same losses, as one that was not.

torchrun starts several processes (DDP): ``torchrun --nproc-per-node 4 -m cli.main fit ...``; without it there is one. w
processes that see b samples each in a pass train like one that sees w b, but for rounding.
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch  # noqa: TID253  this module is imported only by what trains
from lightning_fabric import Fabric

from medbench.errors import CheckpointError
from medbench.extras import missing
from medbench.progress import Progress
from medbench.spec import canonical_json
from medbench.storage.files import make_folder
from medbench.storage.seals import is_sound, sealed_path
from medbench.training import Precision
from medbench.training.ahead import loaded_ahead, pinned
from medbench.training.chance import RULES, Chance

STATE_FILE = "state.pt"
BEST_FILE = "best.pt"


@dataclass(frozen=True)
class Plan:
    """How long a task trains and how often it is looked at.

    Args:
        name: shown by the progress bar.
        steps: optimiser steps in all.
        seed: of the whole training.
        save_every: steps between two checkpoints; a killed run loses at most these.
        validate_every: steps between two validations.
        log_every: steps between two entries of the TensorBoard log.
        settings: what the task was built from, JSON-like; a checkpoint of other settings is not used.
    """

    name: str
    steps: int
    seed: int
    save_every: int = 500
    validate_every: int = 500
    log_every: int = 50
    settings: Mapping[str, Any] | None = None

    @property
    def key(self) -> str:
        """What tells the checkpoints of this training from others: name, seed, settings, and the rules of chance."""
        return canonical_json({"name": self.name, "seed": self.seed, "settings": self.settings, "chance": RULES})


class Stateful(Protocol):
    """Anything that can be stored and restored: modules, optimisers, ``Ema``."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as tensors, numbers and containers of these."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Restore the state."""


class Task(Protocol):
    """What is trained: the losses and the steps of one network or of several that train together."""

    def setup(self, fabric: Fabric) -> None:
        """Hand the modules and optimisers to Fabric, which places and wraps them."""

    def load(self, index: int, chance: Chance) -> Any:
        """Return what a step needs, on the CPU: data and all its chance, drawn from ``chance``.

        It is called ahead of the step, in another thread, and depends on its arguments and the data alone. Tensors in
        tuples, lists and dictionaries come into pinned memory where a GPU trains.
        """

    def step(self, index: int, loaded: Any) -> Mapping[str, torch.Tensor]:
        """Make one step with what was loaded for it; return the losses to log."""

    def validate(self) -> Mapping[str, float]:
        """Return scores on the selection split; the one named ``score`` chooses the weights, lower is better."""

    def weights(self) -> dict[str, torch.Tensor]:
        """Return what a checkpoint of the trained network holds."""

    def state(self) -> Mapping[str, Stateful]:
        """Return everything a resumed training needs."""


@dataclass(frozen=True)
class Trained:
    """The outcome: the best weights by validation score, and the step they come from."""

    weights: dict[str, torch.Tensor]
    scores: dict[str, float]
    step: int


def launch(device: str, precision: Precision = "32-true") -> Fabric:
    """Return a Fabric for ``device`` (``cpu``, ``cuda``, ``cuda:1``); under torchrun it joins the process group.

    Args:
        device: the torch device.
        precision: of the networks' arithmetic, where the device has it (see ``precision_on``); weights stay float32.
    """
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # it announces every choice made here
    precision = precision_on(device, precision)
    accelerator, _, index = device.partition(":")
    world, processes = (int(os.environ.get(name, "1")) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    placed: dict[str, Any] = {"devices": [int(index)] if index else 1}
    if world > 1:
        placed = {"devices": processes, "num_nodes": max(1, world // processes), "strategy": "ddp"}
    with warnings.catch_warnings():
        # Said wherever SLURM is installed and not used; a training may well be meant to run here.
        warnings.filterwarnings("ignore", "The `srun` command")
        fabric = Fabric(accelerator=accelerator, precision=precision, **placed)
    fabric.launch()
    return fabric


def precision_on(device: str, precision: Precision) -> Precision:
    """Return the precision that a device computes with: a CPU mixes bfloat16 in place of float16."""
    return "bf16-mixed" if device.startswith("cpu") and precision == "16-mixed" else precision


def train(task: Task, plan: Plan, *, fabric: Fabric, folder: Path, resume: bool, progress: Progress) -> Trained:
    """Train ``task`` in ``folder`` until ``plan.steps``, going on from the last checkpoint where there is one.

    A checkpoint that is damaged or another training's is not used: the training begins anew, and says so.

    Args:
        task: what to train.
        plan: how long.
        fabric: from ``launch``.
        folder: holds ``state.pt``, ``best.pt`` and, where TensorBoard is installed, its files.
        resume: False begins anew and replaces an older training in the folder.
        progress: reports the steps.

    Raises:
        CheckpointError: the folder's checkpoint was left by another version, or no weights have a score.
        StorageError: the folder cannot be written.
    """
    make_folder(folder)
    task.setup(fabric)
    precision = fabric.strategy.precision  # with float16 it holds the scale of the losses
    start, best_score, processes = 0, float("inf"), fabric.world_size
    if resume:
        start, best_score = _restore({**task.state(), "precision": precision}, plan, folder, processes, progress)
    if start == 0 and fabric.is_global_zero:
        (folder / BEST_FILE).unlink(missing_ok=True)  # an older training's, should no score of this one be finite
    fabric.barrier()
    with ExitStack() as stack:
        log = stack.enter_context(_tensorboard(folder, start, progress, active=fabric.is_global_zero))
        steps = stack.enter_context(closing(_loaded(task, plan, start, fabric)))
        for index in progress.track(range(start, plan.steps), task=plan.name, total=plan.steps - start):
            losses = task.step(index, next(steps))
            done = index + 1
            if done % plan.log_every == 0:
                log({f"train/{name}": _mean(fabric, value) for name, value in losses.items()}, done)
            if done % plan.validate_every == 0 or done == plan.steps:
                scores = fabric.broadcast(dict(task.validate()))  # all processes must choose alike
                log({f"select/{name}": value for name, value in scores.items()}, done)
                if scores["score"] < best_score:
                    best_score = scores["score"]
                    best = {"weights": task.weights(), "scores": scores, "step": done}
                    _write(folder / BEST_FILE, best, plan, fabric)
            if done % plan.save_every == 0 or done == plan.steps:
                parts = {**task.state(), "precision": precision}
                state = {name: part.state_dict() for name, part in parts.items()}
                document = {"step": done, "best_score": best_score, "processes": processes, "state": state}
                _write(folder / STATE_FILE, document, plan, fabric)
    fabric.barrier()
    if not (folder / BEST_FILE).is_file():
        raise CheckpointError(f"{plan.name}: no score on the selection split was finite, so there are no best weights")
    best = _read(folder / BEST_FILE)
    return Trained(weights=best["weights"], scores=best["scores"], step=best["step"])


def _loaded(task: Task, plan: Plan, start: int, fabric: Fabric) -> Generator[Any]:
    on_gpu = fabric.device.type == "cuda"

    def load(index: int) -> Any:
        loaded = task.load(index, Chance(plan.seed, index, fabric.global_rank, fabric.world_size))
        return pinned(loaded) if on_gpu else loaded

    return loaded_ahead(load, range(start, plan.steps))


def _mean(fabric: Fabric, loss: torch.Tensor) -> float:
    mean = fabric.all_reduce(loss.detach(), reduce_op="mean")  # each process knows that of its own samples
    assert isinstance(mean, torch.Tensor)
    return float(mean)


def _restore(
    parts: Mapping[str, Stateful], plan: Plan, folder: Path, processes: int, progress: Progress
) -> tuple[int, float]:
    path, best = folder / STATE_FILE, folder / BEST_FILE
    if not is_sound(path, _key(path, plan), progress):
        return 0, float("inf")
    document = _read(path)
    # The best weights cannot be had again from the state, which has gone on from them.
    if math.isfinite(document["best_score"]) and not is_sound(best, _key(best, plan), progress):
        return 0, float("inf")
    absent = parts.keys() - document["state"].keys()
    if absent:
        named = ", ".join(sorted(absent))
        raise CheckpointError(f"{path} was left by another version ({named} missing): begin anew with --no-resume")
    for name, part in parts.items():
        part.load_state_dict(document["state"][name])
    if document["processes"] != processes and document["step"] < plan.steps:
        progress.note(
            f"{plan.name}: begun by {document['processes']} process(es), goes on with {processes}: a step now sees "
            f"{processes / document['processes']:g} times as many samples"
        )
    return int(document["step"]), float(document["best_score"])


def _key(path: Path, plan: Plan) -> str:
    return f"{path.name} of {plan.key}"


def _write(path: Path, document: dict[str, Any], plan: Plan, fabric: Fabric) -> None:
    if fabric.is_global_zero:
        # Through a handle: given a path, torch raises RuntimeError on a full disk.
        with sealed_path(path, _key(path, plan)) as temporary, temporary.open("wb") as handle:
            torch.save(document, handle)
            handle.flush()
    fabric.barrier()


def _read(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is damaged: begin anew with --no-resume") from error


@contextmanager
def _tensorboard(folder: Path, start: int, progress: Progress, *, active: bool) -> Iterator[Any]:
    lack = missing("train", "a TensorBoard log of this training") if active else None
    if lack:
        progress.note(lack)
    if lack or not active:
        yield lambda values, step: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(log_dir=str(folder), purge_step=start + 1) as writer:

        def log(values: Mapping[str, float], step: int) -> None:
            for name, value in values.items():
                writer.add_scalar(name, value, step)

        yield log
