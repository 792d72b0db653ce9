"""``medbench evaluate`` and ``report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.checkpoints import evaluate_each
from cli.destinations import Destinations
from cli.options import (
    DataRoot,
    Device,
    EngineName,
    EngineOptions,
    LogTo,
    Metrics,
    ProtocolName,
    RunsLeaderboard,
    SegmenterName,
    ShardOption,
    Weights,
    Workers,
    asked,
)
from cli.results import finish, tell_left
from cli.session import Session, in_session
from medbench.errors import SpecError
from medbench.pipeline.options import FolderOptions

SamplesFolder = Annotated[
    list[Path],
    typer.Argument(
        metavar="SAMPLES",
        help="Folder of volumes: NIfTI, MetaImage, NRRD or DICOM, searched recursively; or 'scans/*.nii.gz' in quotes, "
        "or cases.csv:COLUMN.",
    ),
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A folder that 'medbench run' or 'evaluate' made.")]


@in_session
def evaluate(
    ui: Session,
    samples: SamplesFolder,
    each: Annotated[
        bool,
        typer.Option(
            "--each",
            help="Take several folders, one a checkpoint: choose the best on some real volumes, report on others.",
        ),
    ] = False,
    choose_by: Annotated[
        str | None, typer.Option(help="With --each: the metric that decides; the first with a number where not given.")
    ] = None,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Compare with this data set ...")] = None,
    real: Annotated[Path | None, typer.Option("--real", help="... or with these real volumes, named likewise.")] = None,
    masks: Annotated[
        Path | None, typer.Option(help="Label maps that the samples were made from, with the volumes' names.")
    ] = None,
    real_masks: Annotated[
        Path | None, typer.Option(help="Label maps of the real volumes, with the volumes' names.")
    ] = None,
    metrics: Metrics = "",
    protocol: ProtocolName = None,
    segmenter: SegmenterName = None,
    shape: Annotated[str | None, typer.Option(help="Bring all volumes to this shape, like 128x128x64.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where results go; evaluations/NAME-FINGERPRINT where not given.")
    ] = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    engine: EngineName = "local",
    workers: Workers = None,
    engine_options: EngineOptions = None,
    shard: ShardOption = None,
    weights: Weights = None,
    leaderboard: RunsLeaderboard = None,
    log_to: LogTo = None,
) -> None:
    """Evaluate a folder of volumes that you already have, against a data set or a folder of real volumes."""
    if each and shard is not None:
        raise SpecError("--each judges folders one after the other: leave --shard out")
    options = asked(FolderOptions, {**locals(), "samples": samples[0]})
    destinations = Destinations.asked(leaderboard, log_to)
    if each:
        evaluate_each(ui, samples, options, choose_by, destinations)
        return
    if len(samples) > 1 or choose_by is not None:
        raise SpecError("several folders are judged with --each; a pattern of files stands in quotes")
    from medbench.pipeline.folder import FolderEvaluation

    evaluation = FolderEvaluation(options, ui.progress)
    if shard is None:
        finish(ui, evaluation, destinations)
        return
    from medbench.pipeline.part import evaluate_shard
    from medbench.pipeline.shard import Shard

    tell_left(ui, evaluate_shard(evaluation, Shard.parse(shard)))


@in_session
def report(ui: Session, run: RunArgument) -> None:
    """Write report.html again from what lies in a run folder."""
    from medbench.report.html import write_report

    page = write_report(run)
    ui.tell({"run": str(run), "report": str(page)}, f"report: {page}")
