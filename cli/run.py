"""``medbench run``, ``fit`` and ``sample``."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from cli.destinations import Destinations
from cli.options import (
    DataRoot,
    DatasetName,
    Device,
    EngineName,
    EngineOptions,
    LogTo,
    Metrics,
    Model,
    Preset,
    ProtocolName,
    RunsLeaderboard,
    SegmenterName,
    Settings,
    ShardOption,
    Weights,
    Workers,
    asked,
)
from cli.results import finish, tell_left
from cli.session import Session, in_session
from cli.submission import emit
from medbench.pipeline.options import RunOptions
from medbench.pipeline.shard import Shard

if TYPE_CHECKING:
    from medbench.pipeline.run import Run

Samples = Annotated[int | None, typer.Option(help="How many samples; as many as held-out cases where not given.")]
Seed = Annotated[int, typer.Option(min=0, help="The run's seed; each sample's own is derived from it.")]
BudgetSize = Annotated[str, typer.Option("--budget", help="GPU memory that fit and sample may use, like 24GB.")]
Train = Annotated[bool, typer.Option("--train", help="Train from scratch instead of loading weights.")]
Checkpoint = Annotated[Path | None, typer.Option(help="Weights to load instead of the preset's.")]
Conditional = Annotated[bool, typer.Option("--conditional", help="Steer samples by label maps; see --conditions.")]
ConditionsFrom = Annotated[
    str | None,
    typer.Option(
        "--conditions",
        help="Where they come from: train, select, test, or a folder of label maps with a labels.json; implies "
        "--conditional. Held-out ones where not given, or those of the training split if the metrics want these.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Try also what is predicted to exceed the budget.")]
Out = Annotated[Path | None, typer.Option(help="The run folder; runs/MODEL-DATASET-FINGERPRINT where not given.")]
Resume = Annotated[bool, typer.Option(help="Go on where an earlier run stopped; --no-resume starts over.")]


EmitSbatch = Annotated[
    Path | None,
    typer.Option(
        "--emit-sbatch",
        help="Start nothing; write a script that submits this to SLURM: --workers jobs that each do a part, and one "
        "that collects. --engine-option goes to sbatch.",
    ),
]


def _stages(
    *, without: Collection[str] = (), untold: Collection[str] = ()
) -> Callable[[Callable[[Session, RunOptions, Destinations], None]], Callable[..., None]]:
    """Return what gives a command the options that run, fit and sample share; its body does its own work.

    Args:
        without: options that the command does not have.
        untold: options that the command only passes on: they are part of what a run in the same folder is known by,
            and are not shown in the command's help.
    """

    def of(body: Callable[[Session, RunOptions, Destinations], None]) -> Callable[..., None]:
        command = _command(body)
        shown = inspect.signature(command, eval_str=True)
        kept = [
            _untold(parameter) if parameter.name in untold else parameter
            for parameter in shown.parameters.values()
            if parameter.name not in without
        ]
        command.__signature__ = shown.replace(parameters=kept)  # type: ignore[attr-defined]  # what typer goes by
        return in_session(command)

    return of


def _untold(parameter: inspect.Parameter) -> inspect.Parameter:
    kind, told = get_args(parameter.annotation)
    hidden = copy.copy(told)
    hidden.hidden = True
    return parameter.replace(annotation=Annotated[kind, hidden])


def _command(body: Callable[[Session, RunOptions, Destinations], None]) -> Callable[..., None]:
    def command(
        ui: Session,
        model: Model,
        dataset: DatasetName,
        preset: Preset = None,
        settings: Settings = None,
        samples: Samples = None,
        seed: Seed = 0,
        budget: BudgetSize = "24GB",
        metrics: Metrics = "",
        protocol: ProtocolName = None,
        segmenter: SegmenterName = None,
        train: Train = False,
        checkpoint: Checkpoint = None,
        conditional: Conditional = False,
        conditions: ConditionsFrom = None,
        out: Out = None,
        data_root: DataRoot = None,
        device: Device = "auto",
        engine: EngineName = "local",
        workers: Workers = None,
        engine_options: EngineOptions = None,
        shard: ShardOption = None,
        resume: Resume = True,
        force: Force = False,
        weights: Weights = None,
        leaderboard: RunsLeaderboard = None,
        log_to: LogTo = None,
        emit_sbatch: EmitSbatch = None,
    ) -> None:
        options, destinations = asked(RunOptions, locals()), Destinations.asked(leaderboard, log_to)
        if emit_sbatch is None:
            body(ui, options, destinations)
        else:
            _opened(ui, options)  # what is refused is refused now, not by each job
            emit(ui, options, emit_sbatch)

    command.__name__, command.__doc__ = body.__name__, body.__doc__
    return command


def _opened(ui: Session, options: RunOptions) -> Run:
    from medbench.pipeline.run import Run

    current = Run(options, ui.progress)
    ui.log = current.folder.log_file
    return current


@_stages()
def run(ui: Session, options: RunOptions, destinations: Destinations) -> None:
    """Generate, measure and report: one model on one data set, in one resumable folder."""
    current = _opened(ui, options)
    if options.shard is None:
        finish(ui, current, destinations)
    else:
        from medbench.pipeline.part import run_shard

        tell_left(ui, run_shard(current, Shard.parse(options.shard)))


@_stages(
    without=(
        "segmenter",
        "train",
        "checkpoint",
        "engine",
        "engine_options",
        "workers",
        "shard",
        "leaderboard",
        "log_to",
        "emit_sbatch",
    ),
    untold=("samples", "metrics", "conditional", "conditions"),
)
def fit(ui: Session, options: RunOptions, _destinations: Destinations) -> None:
    """Train a generator on a data set's training split; the run folder keeps the checkpoint."""
    current = _opened(ui, replace(options, train=True))
    checkpoint = current.fit()
    ui.tell({"run": str(current.folder.path), "checkpoint": str(checkpoint)}, f"checkpoint: {checkpoint}")


@_stages(without=("segmenter", "leaderboard", "log_to"), untold=("metrics",))
def sample(ui: Session, options: RunOptions, _destinations: Destinations) -> None:
    """Generate samples, without measuring them."""
    current = _opened(ui, options)
    if options.shard is not None:
        from medbench.pipeline.part import sample_shard

        tell_left(ui, sample_shard(current, Shard.parse(options.shard)))
        return
    current.sample()
    folder, count = current.folder, current.spec.samples
    ui.tell({"run": str(folder.path), "samples": str(folder.samples), "count": count}, f"samples: {folder.samples}")
