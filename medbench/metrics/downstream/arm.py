"""One training set's way through nnU-Net: data set, plans, preprocessing, training, prediction.

Each step leaves a marker once it is complete, with the SHA-256 of all that it made. A step without one, or whose files
are others now, starts again from nothing, save a training without one, which goes on from its last whole checkpoint.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from medbench.errors import CheckpointError, DataError, Unavailable
from medbench.metrics.downstream.dataset import DATASET, image_name, label_name, write_dataset
from medbench.metrics.downstream.presets import CONFIGURATION, adapted
from medbench.metrics.downstream.process import environment, locked, run
from medbench.metrics.downstream.task import Task
from medbench.metrics.evidence import Workspace
from medbench.spec import fingerprint
from medbench.storage.files import inside, make_folder, sha256_of, sha256_once, write_json
from medbench.storage.pickles import require_plain

_PLANS: Final = "nnUNetPlans"
_PLANS_FILE: Final = f"{_PLANS}.json"
_PLAN_FILES: Final = (_PLANS_FILE, "dataset.json", "dataset_fingerprint.json")
_ID: Final = "1"
_FOLD: Final = "all"
_FINISHED: Final = "checkpoint_final.pth"
_UNFINISHED: Final = ("checkpoint_latest.pth", "checkpoint_best.pth")
# What nnU-Net prints once an epoch is over, and once before each volume that it predicts.
_EPOCH: Final = "Epoch time"
_VOLUME: Final = "perform_everything_on_device"


@dataclass(frozen=True)
class Arm:
    """One training set.

    Args:
        name: ``real``, ``synthetic`` or ``both``.
        folder: belongs to this training set, these regions and this preset alone.
        task: what is trained on, tested on, and for how long.
        plans_of: folder with another arm's plans; None: nnU-Net plans for these cases.
        workspace: device, progress, and where the logs are copied for the reader of the results.
    """

    name: str
    folder: Path
    task: Task
    plans_of: Path | None
    workspace: Workspace

    @property
    def device(self) -> str:
        """``cpu``, ``cuda`` or ``mps``, as nnU-Net names it."""
        return self.workspace.device.partition(":")[0]

    @property
    def plans(self) -> Path:
        """The folder that keeps the plans this network is trained with."""
        return self.folder / "plans"

    @property
    def raw(self) -> Path:
        """The training set as nnU-Net reads it."""
        return self.folder / "raw" / DATASET

    @property
    def preprocessed(self) -> Path:
        """The training set as nnU-Net prepares it."""
        return self.folder / "preprocessed" / DATASET

    @property
    def trained(self) -> Path:
        """The folder of nnU-Net's checkpoints."""
        results = self.folder / "results" / DATASET
        return results / f"{self.task.preset.trainer}__{_PLANS}__{CONFIGURATION}" / f"fold_{_FOLD}"

    def marker(self, step: str) -> Path:
        """Return the file that says that a step is complete."""
        return self.folder / "done" / f"{step}.json"

    def key(self, step: str) -> str:
        """Return what a step's marker stands for; the folder is named after all that decides its content."""
        return f"{self.folder.name} {step}"

    def log(self, step: str) -> Path:
        """Return the log of a step."""
        return self.folder / "logs" / f"downstream-{self.name}-{step}.log"


def complete(arm: Arm) -> Path:
    """Train and test an arm, or do what is left of that; return the folder with one label map a test volume.

    Raises:
        Unavailable: a command of nnU-Net failed; the message names its log.
        StorageError: the disk is full.
    """
    with locked(arm.folder, arm.workspace.progress):
        try:
            _train(arm)
            return _test(arm)
        finally:
            for log in sorted((arm.folder / "logs").glob("*.log")):
                shutil.copyfile(log, arm.workspace.logs / log.name)


def _train(arm: Arm) -> None:
    if not _is_done(arm, "train"):
        _step(arm, "dataset", partial(_write, arm), arm.raw)
        _step(arm, "plan", partial(_plan, arm), arm.plans)
        _step(arm, "preprocess", partial(_preprocess, arm), arm.preprocessed)
        _step(arm, "train", partial(_fit, arm), arm.trained.parent)
    # Checkpoint and plans are all that prediction needs; the rest may be tens of gigabytes.
    for folder in (arm.raw, arm.preprocessed):
        shutil.rmtree(folder, ignore_errors=True)


def _step(arm: Arm, step: str, action: Callable[[], None], made: Path) -> None:
    """Do a step that is not complete yet, and mark it; what it made lies in one folder."""
    if _is_done(arm, step):
        return
    if arm.marker(step).is_file():
        arm.workspace.progress.note(f"downstream: {made} is damaged or was removed: {step} of {arm.name} is done again")
        shutil.rmtree(made, ignore_errors=True)
        arm.marker(step).unlink()
    clock = time.monotonic()
    action()
    files = {path.relative_to(arm.folder).as_posix(): sha256_of(path) for path in made.rglob("*") if path.is_file()}
    write_json(arm.marker(step), {"of": arm.key(step), "seconds": round(time.monotonic() - clock, 1), "files": files})
    arm.workspace.progress.note(f"downstream: {step} of {arm.name} took {time.monotonic() - clock:.0f} s")


def _is_done(arm: Arm, step: str) -> bool:
    """Say whether a step is complete and all that it made is as it was."""
    try:
        marker = json.loads(arm.marker(step).read_bytes())
        files: dict[str, str] = marker["files"]
        return marker["of"] == arm.key(step) and all(
            sha256_once(inside(arm.folder, name, named_by=arm.marker(step))) == sha256 for name, sha256 in files.items()
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, DataError):
        return False


def _write(arm: Arm) -> None:
    _empty(arm.raw)
    write_dataset(arm.raw, arm.task.cases(arm.name), arm.task.regions)


def _plan(arm: Arm) -> None:
    """Make plans, or take over those of another arm together with the intensities that they rest on."""
    _empty(arm.plans)
    if arm.plans_of is not None:
        _copy(arm.plans_of, arm.plans)
        shutil.copyfile(arm.raw / "dataset.json", arm.plans / "dataset.json")
        return
    _empty(arm.preprocessed)
    _tool(arm, "plan", "nnUNetv2_extract_fingerprint", ["-d", _ID, "-np", "1", "--clean", "--no_pbar"])
    # The planner takes the number of loaders for a number of threads, and stops at 0.
    _tool(arm, "plan", "nnUNetv2_plan_experiment", ["-d", _ID], variables={"nnUNet_n_proc_DA": "1"})
    _copy(arm.preprocessed, arm.plans)
    plans = json.loads((arm.plans / _PLANS_FILE).read_bytes())
    write_json(arm.plans / _PLANS_FILE, adapted(plans, arm.task.preset))


def _preprocess(arm: Arm) -> None:
    _empty(arm.preprocessed)
    _copy(arm.plans, arm.preprocessed)
    arguments = ["-d", _ID, "-plans_name", _PLANS, "-c", CONFIGURATION, "-np", "1", "--no_pbar"]
    _tool(arm, "preprocess", "nnUNetv2_preprocess", arguments)


def _fit(arm: Arm) -> None:
    """Train, or go on; what nnU-Net has finished stays as it is."""
    preset = arm.task.preset
    for name in (_FINISHED, *_UNFINISHED):
        _drop_unless_plain(arm, arm.trained / name)
    if not (arm.trained / _FINISHED).is_file():
        arguments = [_ID, CONFIGURATION, _FOLD, "-tr", preset.trainer, "-p", _PLANS, "-device", arm.device]
        if any((arm.trained / name).is_file() for name in _UNFINISHED):
            arguments.append("--c")
        _tool(arm, "train", "nnUNetv2_train", arguments, ticks=(_EPOCH, preset.epochs))
    if not (arm.trained / _FINISHED).is_file():
        raise Unavailable(f"nnUNetv2_train ended without {_FINISHED} (log: {arm.log('train')})")


def _drop_unless_plain(arm: Arm, checkpoint: Path) -> None:
    """Remove a checkpoint that could run code when nnU-Net loads it, or that is damaged."""
    try:
        if checkpoint.is_file():
            require_plain(checkpoint)
    except CheckpointError as error:
        arm.workspace.progress.note(f"downstream: {error}; it is removed")
        checkpoint.unlink()


def _test(arm: Arm) -> Path:
    key = fingerprint(arm.task.test.volumes)
    folder = arm.folder / f"test-{key}"
    _step(arm, f"predict-{key}", partial(_predict, arm, folder), folder / "predictions")
    shutil.rmtree(folder / "images", ignore_errors=True)
    return folder / "predictions"


def _predict(arm: Arm, folder: Path) -> None:
    _empty(folder)
    images, predictions = folder / "images", folder / "predictions"
    make_folder(images)
    count = 0
    for count, volume in enumerate(arm.task.test.images(), start=1):
        volume.write(images / image_name(count))
    arguments = ["-i", str(images), "-o", str(predictions), "-d", _ID, "-p", _PLANS, "-f", _FOLD, "-c", CONFIGURATION]
    # One process: a volume at a time, and nothing that outlives it. Without mirroring there is nothing to average.
    arguments += ["-tr", arm.task.preset.trainer, "-device", arm.device, "-npp", "0", "-nps", "0"]
    arguments += ["--disable_tta", "--disable_progress_bar"]
    _tool(arm, "predict", "nnUNetv2_predict", arguments, ticks=(_VOLUME, count))
    absent = [name for name in map(label_name, range(1, count + 1)) if not (predictions / name).is_file()]
    if absent:
        raise Unavailable(f"nnUNetv2_predict left out {absent[0]} (log: {arm.log('predict')})")


def _tool(
    arm: Arm,
    step: str,
    tool: str,
    arguments: Sequence[str],
    *,
    ticks: tuple[str, int] | None = None,
    variables: dict[str, str] | None = None,
) -> None:
    """Run a command of nnU-Net; tell progress by the lines that hold a text, of which so many are expected."""
    text, total = ticks or (None, 1)
    settings = environment(arm.folder, arm.task.preset, device=arm.workspace.device) | (variables or {})
    with closing(run(tool, arguments, environment=settings, log=arm.log(step), folder=arm.folder)) as lines:
        told = (line for line in lines if text is not None and text in line)
        for _ in arm.workspace.progress.track(told, task=f"downstream: {step} of {arm.name}", total=total):
            pass


def _empty(folder: Path) -> None:
    """Remove what an interrupted step has left, and make the folder again."""
    if folder.exists():
        shutil.rmtree(folder)
    make_folder(folder)


def _copy(source: Path, target: Path) -> None:
    for name in _PLAN_FILES:
        shutil.copyfile(source / name, target / name)
