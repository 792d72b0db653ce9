"""``medbench evaluate`` and ``report``."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    DataRoot,
    Device,
    Metrics,
    ProtocolName,
    SegmenterName,
    Weights,
    Workers,
    parse_shape,
)
from cli.results import print_report
from cli.session import Session, in_session
from medbench.pipeline.options import FolderOptions, split_names, use_weight_files

SamplesFolder = Annotated[
    Path, typer.Argument(help="Folder of volumes: NIfTI, MetaImage, NRRD or DICOM, searched recursively.")
]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="A folder that 'medbench run' or 'evaluate' made.")]


@in_session
def evaluate(
    ui: Session,
    samples: SamplesFolder,
    dataset: Annotated[str | None, typer.Option("--dataset", "-d", help="Compare with this data set ...")] = None,
    real: Annotated[Path | None, typer.Option("--real", help="... or with this folder of real volumes.")] = None,
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
    workers: Workers = None,
    weights: Weights = None,
) -> None:
    """Evaluate a folder of volumes that you already have, against a data set or a folder of real volumes."""
    use_weight_files(weights or [])
    from medbench.pipeline.folder import FolderEvaluation

    options = FolderOptions(
        samples=samples,
        dataset=dataset,
        real=real,
        masks=masks,
        real_masks=real_masks,
        metrics=split_names(metrics),
        protocol=protocol,
        segmenter=segmenter,
        shape=parse_shape(shape) if shape is not None else None,
        out=out,
        data_root=data_root,
        device=device,
        workers=workers,
        command=shlex.join(["medbench", *sys.argv[1:]]),
    )
    current = FolderEvaluation(options, ui.progress)
    ui.log = current.folder.log_file
    report = current.report()
    if ui.as_json:
        ui.print_json(report.model_dump(mode="json", by_alias=True))
        return
    print_report(ui.out, report)
    ui.out.print(f"report: {current.folder.report_file}", soft_wrap=True, markup=False)


@in_session
def report(ui: Session, run: RunArgument) -> None:
    """Write report.html again from what lies in a run folder."""
    from medbench.report.html import write_report

    page = write_report(run)
    ui.tell({"run": str(run), "report": str(page)}, f"report: {page}")
