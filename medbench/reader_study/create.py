"""``medbench study create``: from volumes to a packet that nobody can unblind without its key."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import Final

import numpy as np
from pydantic import ValidationError

from medbench.drawing.text import gib
from medbench.errors import SpecError, StorageError
from medbench.imaging.formats.nifti import write_nifti
from medbench.progress import Progress
from medbench.reader_study.audit.audit import require_blinded
from medbench.reader_study.convention import Convention, common_grid
from medbench.reader_study.criteria import Criteria, Design, first_problem, load_criteria
from medbench.reader_study.dicom import write_series
from medbench.reader_study.draw import Blinded, blind, draw
from medbench.reader_study.instructions import instructions
from medbench.reader_study.key import Key, commitment, nonce
from medbench.reader_study.packet import STUDY, Packet
from medbench.reader_study.sources import gather
from medbench.reader_study.study import WINDOWS, Format, Study
from medbench.reader_study.tables import form_text
from medbench.storage.files import make_folder, storage_errors, write_json, write_text

_TIME: Final = 946_684_800  # 2000-01-01: one time stamp for every file
_UNCOMMITTED: Final = "0" * 64
_SPARE: Final = 1.02  # of the voxels' bytes, for headers


@dataclass(frozen=True, kw_only=True)
class CreateOptions:
    """The options of ``medbench study create``.

    Args:
        runs: folders of runs or of volumes.
        real: data set or folder of real cases.
        data_root: the folder that holds the data set.
        per_model: cases (rating) or pairs (2afc) of each model.
        design: ``rating`` or ``2afc``.
        criteria: a TOML file, or a shipped one; None: that of the design.
        format: of the cases.
        seed: chooses the cases; nothing else follows from it.
        readers: how many readers get an order of their own.
        repeats: trials that are shown twice.
        training: trials before the first that counts.
        shape: voxels along x, y, z; None: the smallest field of view of all cases.
        spacing_mm: along x, y, z; None: the coarsest of all cases.
        hu_range: clip all voxels to it.
        background_hu: put in place of all that lies outside the body.
        out: the packet; must not exist.
        key: the key file, outside the packet; must not exist.
    """

    runs: tuple[Path, ...]
    out: Path
    key: Path
    real: str | None = None
    data_root: Path | None = None
    per_model: int = 10
    design: Design = "rating"
    criteria: str | None = None
    format: Format = "nifti"
    seed: int = 0
    readers: int = 8
    repeats: int = 0
    training: int = 2
    shape: tuple[int, int, int] | None = None
    spacing_mm: tuple[float, float, float] | None = None
    hu_range: tuple[int, int] | None = None
    background_hu: int | None = None


def create(options: CreateOptions, progress: Progress) -> Packet:
    """Create a packet and its key; neither appears unless the container audit finds the source untellable.

    Args:
        options: what was asked for.
        progress: told what the packet will need on disk, and about every case.

    Raises:
        SpecError: options that contradict each other, or too few volumes.
        DataError: a volume is damaged, or the packet gives its sources away.
        StorageError: the disk is too small or not writable.
    """
    criteria = load_criteria(options.criteria or options.design)
    _check(options, criteria)
    sources = gather(options.runs, options.real, data_root=options.data_root)
    drawn = draw(
        sources,
        design=options.design,
        per_model=options.per_model,
        training=options.training,
        repeats=options.repeats,
        seed=options.seed,
    )
    blinded = blind(drawn, design=options.design, orders=options.readers, chance=SystemRandom())
    convention = _convention(options, blinded)
    _announce(options, convention, len(blinded.cases), progress)
    with _staged(options.out) as folder:
        packet, key = _write(folder, blinded, convention, criteria, options, progress)
        _same_time(folder)
        require_blinded(packet, key)
        write_text(options.key, key.document())
        options.key.chmod(0o600)
    return Packet.open(options.out)


def _check(options: CreateOptions, criteria: Criteria) -> None:
    if criteria.design != options.design:
        raise SpecError(f"--criteria {options.criteria} is for design {criteria.design}, not for {options.design}")
    if options.key.resolve().is_relative_to(options.out.resolve()):
        raise SpecError(f"{options.key} lies inside the packet: keep the key where no reader looks")
    for path in (options.out, options.key):
        if path.exists():
            raise SpecError(f"{path} exists: choose another name, a study is never overwritten")


def _convention(options: CreateOptions, blinded: Blinded) -> Convention:
    shape, spacing = options.shape, options.spacing_mm
    if shape is None or spacing is None:
        extents = [candidate.extent() for candidate in blinded.cases.values()]
        if spacing is not None:
            extents = [(_as_if(extent, spacing), spacing) for extent in extents]
        common_shape, common_spacing = common_grid(extents)
        shape, spacing = shape or common_shape, spacing or common_spacing
    try:
        return Convention(
            shape=shape, spacing_mm=spacing, hu_range=options.hu_range, background_hu=options.background_hu
        )
    except ValidationError as error:
        raise SpecError(first_problem(error)) from error


def _as_if(
    extent: tuple[tuple[int, int, int], tuple[float, float, float]], spacing: tuple[float, float, float]
) -> tuple[int, int, int]:
    """Return the shape of a volume once it is resampled to a spacing."""
    x, y, z = (max(1, int(size * own / step + 1e-3)) for size, own, step in zip(*extent, spacing))
    return x, y, z


def _announce(options: CreateOptions, convention: Convention, cases: int, progress: Progress) -> None:
    x, y, z = convention.shape
    needed = int(cases * 2 * x * y * z * _SPARE)
    spacing = " x ".join(f"{step:g}" for step in convention.spacing_mm)
    progress.note(
        f"{cases} cases of {x} x {y} x {z} voxels of {spacing} mm, stored without compression: {gib(needed)} on disk"
    )
    place = make_folder(options.out.resolve().parent)
    if needed > (free := shutil.disk_usage(place).free):
        raise StorageError(
            f"{place}: the packet takes {gib(needed)}, {gib(free)} are free: free some space, choose another --out, "
            "or give a coarser --spacing"
        )


@contextmanager
def _staged(out: Path) -> Iterator[Path]:
    """Yield a folder that becomes ``out`` once the block has ended without an error, and else is gone."""
    folder = out.with_name(f".{out.name}.partial")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        yield make_folder(folder)
        with storage_errors(out):
            folder.rename(out)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(
    folder: Path,
    blinded: Blinded,
    convention: Convention,
    criteria: Criteria,
    options: CreateOptions,
    progress: Progress,
) -> tuple[Packet, Key]:
    """Write everything but the key; cases by their names, so that no time of writing tells a source."""
    packet = Packet(folder, _description(blinded, convention, criteria, options))
    for name, candidate in progress.track(blinded.cases.items(), task="write cases", total=len(blinded.cases)):
        _write_case(packet, name, convention.apply(candidate.read()), convention)
    checksums = {name: packet.checksum(name) for name in blinded.cases}
    study = packet.study.model_copy(update={"checksums": checksums})
    key = Key(
        nonce=nonce(),
        study=study.digest(),
        seed=options.seed,
        cases={name: candidate.origin() for name, candidate in blinded.cases.items()},
        repeats=dict(blinded.repeats),
    )
    study = study.model_copy(update={"commitment": commitment(key.document().encode())})
    packet = Packet(folder, study)
    write_json(folder / STUDY, study.model_dump(mode="json", by_alias=True))
    write_text(packet.form, form_text(study))
    write_text(packet.instructions, instructions(study))
    make_folder(packet.ratings)
    return packet, key


def _write_case(packet: Packet, name: str, voxels: np.ndarray, convention: Convention) -> None:
    if packet.study.format == "nifti":
        write_nifti(packet.case_path(name), voxels, convention.affine, stored=True)
    else:
        write_series(
            packet.case_path(name), voxels, spacing_mm=convention.spacing_mm, name=name, window=packet.study.windows[0]
        )


def _same_time(folder: Path) -> None:
    """Give everything one time of change; folders last, since what happens in them changes theirs."""
    for path in (*sorted(folder.rglob("*"), reverse=True), folder):
        os.utime(path, (_TIME, _TIME))


def _description(blinded: Blinded, convention: Convention, criteria: Criteria, options: CreateOptions) -> Study:
    shown = {
        case for name, pair in blinded.pairs.items() if name not in blinded.training for case in (pair.left, pair.right)
    }
    return Study(
        title=criteria.title,
        design=options.design,
        format=options.format,
        cases=len(shown) if blinded.pairs else len(blinded.cases) - len(blinded.training),
        shape=convention.shape,
        spacing_mm=convention.spacing_mm,
        windows=WINDOWS,
        criteria=criteria.criteria,
        pairs=dict(blinded.pairs),
        training=blinded.training,
        orders=blinded.orders,
        checksums=dict.fromkeys(blinded.cases, _UNCOMMITTED),
        commitment=_UNCOMMITTED,
    )
