"""``medbench study``: blinded reader studies, from the plan to the score."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import DataRoot, parse_shape
from cli.session import Session, in_session
from medbench.errors import MissingExtraError, SpecError
from medbench.extras import missing

if TYPE_CHECKING:
    from medbench.reader_study.audit.audit import Part
    from medbench.reader_study.plan import PlanRow
    from medbench.reader_study.score.score import StudyScore

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
def plan(
    ui: Session,
    design: DesignName = "2afc",
    effect: Annotated[
        float | None,
        typer.Option(help="True share: of right choices (0.6), or of the model's cases called real (0.5)."),
    ] = None,
    reference: Annotated[float, typer.Option(help="Rating: share of real cases that are called real.")] = 0.8,
    readers: Annotated[
        int | None, typer.Option(min=1, help="How many readers; 1, 3, 5 and 10 where not given.")
    ] = None,
    rho: Annotated[float, typer.Option(help="Correlation of answers to one case, and of one reader's.")] = 0.1,
    simulations: Annotated[int, typer.Option(min=20, help="Simulated studies a line.")] = 200,
    seed: Annotated[int, typer.Option(help="Decides the simulation's chance.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the table to this CSV file, too.")] = None,
) -> None:
    """Simulate studies before anybody reads: power, false positives, equivalence and widths by cases and readers."""
    from medbench.reader_study.plan import READERS, PlanOptions
    from medbench.reader_study.plan import plan as plan_study

    chosen = one_of(design, ("rating", "2afc"), "--design")
    options = PlanOptions(
        design=chosen,
        effect=effect if effect is not None else {"2afc": 0.6, "rating": 0.5}[chosen],
        reference=reference,
        readers=READERS if readers is None else (readers,),
        rho=rho,
        simulations=simulations,
        seed=seed,
    )
    rows = plan_study(options, ui.progress)
    if out is not None:
        _write_plan(rows, out)
    if ui.as_json:
        ui.print_json([asdict(row) for row in rows])
        return
    _print_plan(ui, rows)


def _write_plan(rows: list[PlanRow], out: Path) -> None:
    import pandas as pd

    from medbench.evaluation.measure import write_table

    write_table(out, pd.DataFrame(map(asdict, rows)))


def _print_plan(ui: Session, rows: list[PlanRow]) -> None:
    from medbench.reader_study.plan import ENOUGH, needed

    unit = "pairs" if rows[0].design == "2afc" else "cases of each source"
    cells = [
        (
            str(row.readers), str(row.cases), f"{row.power:.2f}", f"{row.false_positive:.2f}",
            f"{row.equivalence_power:.2f}", f"{row.half_width:.2f}",
        )
        for row in rows
    ]  # fmt: skip
    ui.table(("readers", unit, "power", "false positive", "power (equal)", "half width"), cells)
    for readers in dict.fromkeys(row.readers for row in rows):
        fewest = needed(rows, readers)
        told = f"{fewest} {unit}" if fewest else f"more than {max(row.cases for row in rows)} {unit}"
        ui.say(f"{readers} reader{'s' * (readers > 1)}: {told} for a power of {ENOUGH:g}")


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


@app.command()
@in_session
def serve(
    ui: Session,
    packet: PacketFolder,
    reader: Annotated[
        list[str] | None, typer.Option(help="A reader's name, once for each; those who have begun where not given.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen at; the default is this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8765,
) -> None:
    """Let readers read a packet in a browser, each by a private link; Ctrl-C ends it, the same command goes on."""
    if lack := missing("study", "study serve"):
        raise MissingExtraError(lack)
    from medbench.reader_study.packet import Packet
    from medbench.reader_study.server.serve import prepare

    opened = Packet.open(packet)
    opened.verify(ui.progress)
    service = prepare(opened, reader or [], host, port)
    ui.tell(
        {"packet": str(packet), "links": dict(service.links)},
        f"{opened.study.title}: {len(opened.study.orders[0])} trials a reader; each link is for one reader alone",
        *(f"  {name}: {link}" for name, link in service.links.items()),
        f"answers: {opened.ratings}; Ctrl-C ends the server, the same command goes on",
    )
    if not service.private:
        ui.complain("other machines can reach this server, and nothing is encrypted: put HTTPS before it")
    sys.stdout.flush()
    service.run_until_interrupted()


def _say_part(ui: Session, name: str, part: Part) -> None:
    if part.auc is None or part.ci95 is None:
        ui.say(f"{name}: no AUC, a source has fewer than 4 cases")
    else:
        ui.say(f"{name}: AUC {part.auc:.2f} [{part.ci95[0]:.2f}, {part.ci95[1]:.2f}], 0.5 is chance")
    ui.say(*(f"  {leak}" for leak in part.leaks))


@app.command()
@in_session
def score(
    ui: Session,
    packet: PacketFolder,
    key: KeyFile,
    ratings: Annotated[
        list[Path] | None, typer.Option("--ratings", help="Tables of ratings; all in PACKET/ratings where not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where scores go; scores/PACKET where not given.")] = None,
) -> None:
    """Unblind a study that has been read: figures of each source, tests, agreement, a page and tables."""
    from medbench.reader_study.score.output import save
    from medbench.reader_study.score.score import open_study
    from medbench.reader_study.score.score import score as score_study

    scored = open_study(packet, key, ratings or [], ui.progress)
    found = score_study(scored)
    page = save(scored, found, out or Path("scores") / packet.resolve().name)
    if ui.as_json:
        ui.print_json(found.document())
        return
    _print_scores(ui, found)
    ui.say(*found.notes, f"report: {page}")


def _print_scores(ui: Session, found: StudyScore) -> None:
    from medbench.drawing.text import interval, label, number

    rows = [
        (
            label(criterion), model, str(one.n), number(one.share), interval(one.ci95), number(one.mean),
            number(one.median),
        )
        for criterion, of_model in found.criteria.items()
        for model, one in of_model.items()
    ]  # fmt: skip
    ui.table(("criterion", "source", "n", "share", "95 % interval", "mean", "median"), rows)
    tests = [
        (
            label(test.criterion), f"{test.a} - {test.b}", number(test.area), interval(test.ci95),
            number(test.p_adjusted), number(test.equivalence_p),
        )
        for test in found.tests
    ]  # fmt: skip
    if tests:
        ui.say("")
        ui.table(("criterion", "sources", "area", "95 % interval", "p (Holm)", "p (equal)"), tests)
