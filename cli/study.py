"""``medbench study``: blinded reader studies, from the plan to the score."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import DataRoot, parse_shape
from cli.session import Session, in_session
from medbench.errors import SpecError

if TYPE_CHECKING:
    from medbench.reader_study.audit.audit import Part

app = typer.Typer(no_args_is_help=True, help="Blinded reader studies: plan, create, audit, serve, score.")

PacketFolder = Annotated[Path, typer.Argument(metavar="PACKET", help="A folder that 'study create' made.")]
KeyFile = Annotated[Path, typer.Option("--key", help="The key file; never inside the packet.")]
DesignName = Annotated[str, typer.Option("--design", help="rating, or 2afc (two cases side by side, forced choice).")]


def _spacing(text: str) -> tuple[float, float, float]:
    numbers = [float(part) for part in re.split(r"[xX,]", text) if re.fullmatch(r"\s*\d+(\.\d+)?\s*", part)]
    if len(numbers) != 3 or min(numbers) <= 0:
        raise SpecError(f"'{text}' is no spacing: write it in mm, like 0.8x0.8x1.5")
    return numbers[0], numbers[1], numbers[2]


def _range(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*(-?\d+)\s*,\s*(-?\d+)\s*", text)
    if match is None or int(match[1]) >= int(match[2]):
        raise SpecError(f"'{text}' is no range of HU: write it like --hu-range=-1000,2000")
    return int(match[1]), int(match[2])


def one_of(value: str, allowed: tuple[str, ...], option: str) -> Any:
    """Return a lower-case value, if it is one of those allowed.

    Raises:
        SpecError: it is not.
    """
    if value.lower() not in allowed:
        raise SpecError(f"{option} {value}: choose from {', '.join(allowed)}")
    return value.lower()


@app.command()
@in_session
def create(
    ui: Session,
    out: Annotated[Path, typer.Option(help="The packet, a new folder.")],
    key: Annotated[Path, typer.Option(help="The key file, outside the packet; keep it from the readers.")],
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN..", help="Runs, or folders of volumes.")] = None,
    real: Annotated[
        str | None, typer.Option(help="A data set (its held-out cases), or a folder of real cases.")
    ] = None,
    per_model: Annotated[int, typer.Option(min=1, help="Cases (2afc: pairs) of each model.")] = 10,
    design: DesignName = "rating",
    criteria: Annotated[
        str | None, typer.Option(help="TOML file of questions and scales, or khader; those of the design by default.")
    ] = None,
    format: Annotated[str, typer.Option(help="nifti or dicom.")] = "nifti",
    seed: Annotated[int, typer.Option(help="Chooses the cases; order and names cannot be derived from it.")] = 0,
    readers: Annotated[int, typer.Option(min=1, help="How many readers get an order of their own.")] = 8,
    repeats: Annotated[int, typer.Option(min=0, help="Trials shown twice, for agreement within a reader.")] = 0,
    training: Annotated[int, typer.Option(min=0, help="Trials before the first that counts.")] = 2,
    shape: Annotated[str | None, typer.Option(help="Voxels; the smallest field of view where not given.")] = None,
    spacing: Annotated[str | None, typer.Option(help="In mm; the coarsest of the cases where not given.")] = None,
    hu_range: Annotated[str | None, typer.Option(help="Clip all voxels, like --hu-range=-1000,2000.")] = None,
    background: Annotated[int | None, typer.Option(help="HU put outside the body of every case.")] = None,
    data_root: DataRoot = None,
) -> None:
    """Pack a blinded study; it is finished only if its container does not tell the source."""
    from medbench.reader_study.create import CreateOptions
    from medbench.reader_study.create import create as create_packet

    options = CreateOptions(
        runs=tuple(runs or ()),
        real=real,
        data_root=data_root,
        per_model=per_model,
        design=one_of(design, ("rating", "2afc"), "--design"),
        criteria=criteria,
        format=one_of(format, ("nifti", "dicom"), "--format"),
        seed=seed,
        readers=readers,
        repeats=repeats,
        training=training,
        shape=None if shape is None else parse_shape(shape),
        spacing_mm=None if spacing is None else _spacing(spacing),
        hu_range=None if hu_range is None else _range(hu_range),
        background_hu=background,
        out=out,
        key=key,
    )
    packet = create_packet(options, ui.progress)
    study = packet.study
    ui.tell(
        {"packet": str(packet.path), "key": str(key), "cases": study.cases, "commitment": study.commitment},
        f"packet: {packet.path}, {study.cases} cases, {len(study.orders[0])} trials a reader",
        f"key: {key}; its SHA-256 {study.commitment} stands in the packet: publish it before the first reading",
        f"next: medbench study audit {packet.path} --key {key}",
    )


@app.command()
@in_session
def audit(ui: Session, packet: PacketFolder, key: KeyFile) -> None:
    """Try to tell the source without looking at the anatomy: from the container, and from traces in the voxels."""
    from medbench.reader_study.audit.audit import audit as audit_packet
    from medbench.reader_study.key import Key
    from medbench.reader_study.packet import Packet

    opened = Packet.open(packet)
    report = audit_packet(opened, Key.read(key, opened), ui.progress)
    if ui.as_json:
        ui.print_json(asdict(report))
        return
    _say_part(ui, "container", report.container)
    _say_part(ui, "voxels", report.voxels)
    if report.ok:
        ui.say("The container does not tell the source: the study may be read.")
        if report.voxels.leaks:
            ui.say("What the voxels tell is a finding: mend what is the processing's, report what is the model's.")
    else:
        ui.say("The container tells the source: create the packet again, and hand it over as it was created.")


def _say_part(ui: Session, name: str, part: Part) -> None:
    if part.auc is None or part.ci95 is None:
        ui.say(f"{name}: no AUC, a source has fewer than 4 cases")
    else:
        ui.say(f"{name}: AUC {part.auc:.2f} [{part.ci95[0]:.2f}, {part.ci95[1]:.2f}], 0.5 is chance")
    ui.say(*(f"  {leak}" for leak in part.leaks))
