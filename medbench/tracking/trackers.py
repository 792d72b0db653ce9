"""Trackers by name: ``mlflow``, ``wandb`` and ``tensorboard``, each with where its results go after a colon.

Nothing is sent anywhere unless the user names a server: what the libraries report to their makers is off, and Weights &
Biases stays offline unless ``WANDB_MODE`` says otherwise.
"""

from __future__ import annotations

import logging
import os
import re
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from medbench.errors import MedbenchError, MissingExtraError, SpecError, StorageError
from medbench.extras import EXTRAS, install_line
from medbench.storage.files import make_folder
from medbench.tracking.entry import TrackedRun

Log = Callable[[TrackedRun], str]
"""Logs a run and says where it is found."""

_NAME: Final = "medbench"
_SUFFIX: Final = ".medbench"
_LONGEST_TAG: Final = 500
_MOST_AT_ONCE: Final = {"metrics": 1000, "tags": 100}
_UNNAMEABLE: Final = re.compile(r"[^\w./ -]")


def tracker(asked: str) -> Log:
    """Return what logs runs to a tracker. Its library is there; nothing has been written yet.

    Args:
        asked: ``mlflow``, ``wandb`` or ``tensorboard``; after a colon MLflow's tracking URI, the project of Weights &
            Biases, or TensorBoard's folder.

    Raises:
        SpecError: no such tracker.
        MissingExtraError: its library is not installed; the message has the line that installs it.
    """
    kind, _, place = asked.partition(":")
    if kind not in _TRACKERS:
        raise SpecError(f"--log-to {asked}: choose from {', '.join(_TRACKERS)}, like mlflow:sqlite:///mlflow.db")
    if kind in EXTRAS["track"].absent():
        raise MissingExtraError(f"--log-to {kind} needs {kind}, which is not installed: {install_line('track')}")

    def log(run: TrackedRun) -> str:
        try:
            with warnings.catch_warnings():  # what a tracker's own code is warned of is nothing to whoever uses it
                warnings.simplefilter("ignore")
                return _TRACKERS[kind](run, place)
        except MedbenchError:
            raise
        except Exception as error:  # another library, and often a server behind it
            why = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise StorageError(
                f"{kind} did not take the results ({why}): mend '{asked}' and run the same command again; the results "
                f"are kept in {run.folder}"
            ) from error

    return log


def _to_mlflow(run: TrackedRun, place: str) -> str:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    from mlflow import MlflowClient
    from mlflow.entities import Metric, RunTag

    logging.getLogger("mlflow").setLevel(logging.WARNING)  # after the import, which sets it
    client = MlflowClient(tracking_uri=place or None)
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", _NAME)
    found = client.get_experiment_by_name(name)
    experiment = found.experiment_id if found else client.create_experiment(name)
    known = client.search_runs([experiment], f"tags.`medbench.key` = '{run.key}'", max_results=1)
    one = known[0] if known else client.create_run(experiment, run_name=run.name, tags={"medbench.key": run.key})
    now = int(time.time() * 1000)
    metrics = [Metric(_UNNAMEABLE.sub("_", key), value, now, 0) for key, value in run.numbers.items()]
    tags = [RunTag(f"medbench.{_UNNAMEABLE.sub('_', key)}", value[:_LONGEST_TAG]) for key, value in run.tags.items()]
    for start in range(0, len(metrics), _MOST_AT_ONCE["metrics"]):
        client.log_batch(one.info.run_id, metrics=metrics[start : start + _MOST_AT_ONCE["metrics"]])
    for start in range(0, len(tags), _MOST_AT_ONCE["tags"]):
        client.log_batch(one.info.run_id, tags=tags[start : start + _MOST_AT_ONCE["tags"]])
    for path in run.figures.values():
        client.log_artifact(one.info.run_id, str(path), "figures")
    for path in run.files:
        client.log_artifact(one.info.run_id, str(path))
    client.set_terminated(one.info.run_id)
    return f"experiment {name}, run {one.info.run_id}"


def _to_wandb(run: TrackedRun, place: str) -> str:
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    offline = os.environ.get("WANDB_MODE", "offline") == "offline"
    import wandb

    settings = wandb.Settings(
        console="off", silent=True, disable_git=True, disable_code=True, save_code=False, x_disable_stats=True,
        x_disable_meta=True,
    )  # fmt: skip
    with wandb.init(
        project=place or os.environ.get("WANDB_PROJECT", _NAME),
        id=run.key,
        name=run.name,
        dir=make_folder(run.folder),
        config=dict(run.tags),
        mode="offline" if offline else None,  # as the environment says
        resume=None if offline else "allow",
        settings=settings,
    ) as one:
        one.log({**run.numbers, **{f"figures/{name}": wandb.Image(str(path)) for name, path in run.figures.items()}})
        kept = wandb.Artifact(f"results-{run.key}", type="results")
        for path in run.files:
            kept.add_file(str(path))
        one.log_artifact(kept)
        folder = one.settings.sync_dir
    return f"{folder} ('wandb sync' sends it)" if offline else f"{one.project}, run {run.key}"


def _to_tensorboard(run: TrackedRun, place: str) -> str:
    from PIL import Image
    from torch.utils.tensorboard import SummaryWriter

    root = Path(place).expanduser() if place else run.folder / "tensorboard"
    folder = make_folder(root / f"{run.name}-{run.key}")
    for earlier in folder.glob(f"events.out.tfevents.*{_SUFFIX}"):
        earlier.unlink()
    with SummaryWriter(log_dir=str(folder), filename_suffix=_SUFFIX) as writer:
        for name, value in run.numbers.items():
            writer.add_scalar(name, value, 0)
        writer.add_text("run", _table(run.tags), 0)
        for name, path in run.figures.items():
            with Image.open(path) as picture:
                writer.add_image(f"figures/{name}", np.asarray(picture.convert("RGB")), 0, dataformats="HWC")
    return str(folder)


def _table(tags: Mapping[str, str]) -> str:
    rows = (f"| {name} | {value.replace('|', '/')} |" for name, value in tags.items())
    return "\n".join(["| what | value |", "| --- | --- |", *rows])


_TRACKERS: Final[Mapping[str, Callable[[TrackedRun, str], str]]] = {
    "mlflow": _to_mlflow,
    "wandb": _to_wandb,
    "tensorboard": _to_tensorboard,
}
