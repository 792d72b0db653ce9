"""``medbench run``, ``fit`` and ``sample``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    DataRoot,
    DatasetName,
    Device,
    Metrics,
    Model,
    Preset,
    ProtocolName,
    SegmenterName,
    Weights,
    Workers,
)
from cli.results import print_report
from cli.session import Session, in_session
from medbench.budget.meter import parse_bytes
from medbench.pipeline.options import RunOptions, split_names, use_weight_files

Samples = Annotated[int | None, typer.Option(help="How many samples; as many as held-out cases where not given.")]
Seed = Annotated[int, typer.Option(min=0, help="The run's seed; each sample's own is derived from it.")]
BudgetSize = Annotated[str, typer.Option("--budget", help="GPU memory that fit and sample may use, like 24GB.")]
Train = Annotated[bool, typer.Option("--train", help="Train from scratch instead of loading weights.")]
Checkpoint = Annotated[Path | None, typer.Option(help="Weights to load instead of the preset's.")]
Conditional = Annotated[
    bool, typer.Option("--conditional", help="Steer samples by the label maps of the held-out cases.")
]
Out = Annotated[Path | None, typer.Option(help="The run folder; runs/MODEL-DATASET-FINGERPRINT where not given.")]
Resume = Annotated[bool, typer.Option(help="Go on where an earlier run stopped; --no-resume starts over.")]


def _stages(body: Callable[[Session, RunOptions], None]) -> Callable[..., None]:
    """Give a command the options that run, fit and sample share; ``body`` does the command's own work."""

    def command(
        ui: Session,
        model: Model,
        dataset: DatasetName,
        preset: Preset = None,
        samples: Samples = None,
        seed: Seed = 0,
        budget: BudgetSize = "24GB",
        metrics: Metrics = "",
        protocol: ProtocolName = None,
        segmenter: SegmenterName = None,
        train: Train = False,
        checkpoint: Checkpoint = None,
        conditional: Conditional = False,
        out: Out = None,
        data_root: DataRoot = None,
        device: Device = "auto",
        workers: Workers = None,
        resume: Resume = True,
        weights: Weights = None,
    ) -> None:
        use_weight_files(weights or [])
        options = RunOptions(
            model=model,
            dataset=dataset,
            preset=preset,
            samples=samples,
            seed=seed,
            budget_bytes=parse_bytes(budget),
            metrics=split_names(metrics),
            protocol=protocol,
            segmenter=segmenter,
            train=train,
            checkpoint=checkpoint,
            conditional=conditional,
            out=out,
            data_root=data_root,
            device=device,
            workers=workers,
            resume=resume,
            command=shlex.join(["medbench", *sys.argv[1:]]),
        )
        body(ui, options)

    command.__name__, command.__doc__ = body.__name__, body.__doc__
    return in_session(command)


@_stages
def run(ui: Session, options: RunOptions) -> None:
    """Generate, measure and report: one model on one data set, in one resumable folder."""
    from medbench.pipeline.run import Run

    current = Run(options, ui.progress)
    ui.log = current.folder.log_file
    report = current.report()
    if ui.as_json:
        ui.print_json(report.model_dump(mode="json", by_alias=True))
        return
    print_report(ui.out, report)
    ui.out.print(f"report: {current.folder.report_file}", soft_wrap=True, markup=False)


@_stages
def fit(ui: Session, options: RunOptions) -> None:
    """Train a generator on a data set's training split; the run folder keeps the checkpoint."""
    from medbench.pipeline.run import Run

    current = Run(replace(options, train=True), ui.progress)
    ui.log = current.folder.log_file
    checkpoint = current.fit()
    ui.tell({"run": str(current.folder.path), "checkpoint": str(checkpoint)}, f"checkpoint: {checkpoint}")


@_stages
def sample(ui: Session, options: RunOptions) -> None:
    """Generate samples, without measuring them."""
    from medbench.pipeline.run import Run

    current = Run(options, ui.progress)
    ui.log = current.folder.log_file
    current.sample()
    folder, count = current.folder, current.spec.samples
    ui.tell({"run": str(folder.path), "samples": str(folder.samples), "count": count}, f"samples: {folder.samples}")
