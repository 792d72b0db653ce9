"""Where the cases of a study are taken from: runs, folders of volumes, and real cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from medbench import registry
from medbench.datasets.base import Case
from medbench.errors import DataError, SpecError
from medbench.imaging.formats import read_header
from medbench.imaging.formats.geometry import spacing_of
from medbench.imaging.grid import to_grid
from medbench.imaging.volume import Volume
from medbench.reader_study.key import REAL, Origin
from medbench.records.collection import volumes_by_id
from medbench.records.manifest import MANIFEST, Manifest
from medbench.records.run import RunFolder
from medbench.records.samples import content_once
from medbench.spec import Grid

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class Candidate:
    """A volume that may become a case.

    Args:
        model: ``real``, or the name under which it is scored.
        subject: the patient or sample; a study shows each at most once.
        run: of a sample.
        sample: index within the run.
        file: where it lies, for the key.
        read: returns it.
        extent: returns shape (voxels) and spacing (mm) along x, y, z without more reading than needed.
        sha256: returns the SHA-256 of the original.
    """

    model: str
    subject: str
    run: str | None
    sample: int | None
    file: str
    read: Callable[[], Volume]
    extent: Callable[[], tuple[tuple[int, int, int], Triple]]
    sha256: Callable[[], str]

    def origin(self) -> Origin:
        """Return what the key says of it.

        Raises:
            DataError: the file is no longer the one that its manifest describes.
        """
        return Origin(model=self.model, run=self.run, sample=self.sample, file=self.file, sha256=self.sha256())


def gather(runs: Sequence[Path], real: str | None, *, data_root: Path | None) -> dict[str, list[Candidate]]:
    """Return the candidates of every source by model, real ones first.

    Args:
        runs: folders of runs, or of volumes.
        real: a registered data set (its held-out cases), or a folder of volumes; None: no real cases.
        data_root: the folder that holds the data set.

    Raises:
        SpecError: nothing was given, or two sources have one name.
        DataError: a folder is absent, empty or damaged.
    """
    found: dict[str, list[Candidate]] = {}
    if real is not None:
        found[REAL] = _real(real, data_root)
    for folder in runs:
        model, candidates = _run(folder) if (folder / "run.json").is_file() else _folder(folder)
        if model in found:
            raise SpecError(
                f"{folder}: '{model}' is there twice: copy the volumes into a folder whose name tells them apart"
            )
        found[model] = candidates
    if not found:
        raise SpecError("nothing to read: give runs or folders of volumes, and --real")
    return found


def _real(name: str, data_root: Path | None) -> list[Candidate]:
    if Path(name).is_dir():
        return _listed(Path(name), REAL)
    if registry.canonical(name) not in registry.names("datasets") and "/" in name and ".py:" not in name:
        raise DataError(f"--real {name}: no such folder, and no data set of that name")
    dataset = registry.load("datasets", name)(data_root)
    cases: Sequence[Case] = dataset.cases("test")
    if not cases:
        raise DataError(f"{name} has no held-out cases: give a folder of real volumes as --real")
    return [_case(case, dataset.info.name, dataset.grid) for case in cases]


def _case(case: Case, dataset: str, grid: Grid | None) -> Candidate:
    """Return a case on its data set's canonical grid, on which a run's samples are, too."""

    def read() -> Volume:
        volume = case.read_volume()
        return volume if grid is None else to_grid(volume, grid)

    def extent() -> tuple[tuple[int, int, int], Triple]:
        volume = read()
        return volume.shape, volume.spacing_mm

    def sha256() -> str:
        return case.read_volume().content_hash()

    return Candidate(REAL, case.patient, None, None, f"{dataset}/{case.id}", read, extent, sha256)


def _run(folder: Path) -> tuple[str, list[Candidate]]:
    run = RunFolder(folder)
    record = run.read()
    if record.kind != "run" or not (run.samples / MANIFEST).is_file():
        raise SpecError(f"{folder} holds no samples of its own: give a run, or the folder of volumes")
    model = str(record.spec["model"])
    return model, _sampled(run.samples, model, record.id)


def _folder(folder: Path) -> tuple[str, list[Candidate]]:
    name = folder.resolve().name
    if name.lower() == REAL:
        raise SpecError(
            f"{folder}: a folder called 'real' would pass for real cases: give it with --real, or rename it"
        )
    return name, _sampled(folder, name, None) if (folder / MANIFEST).is_file() else _listed(folder, name)


def _sampled(folder: Path, model: str, run: str | None) -> list[Candidate]:
    records = sorted(Manifest(folder).records().items())
    if not records:
        raise DataError(f"{folder / MANIFEST} lists no samples: run 'medbench sample' first")
    return [
        _file(folder / record.file, model, f"{model}-{index}", run=run, sample=index, recorded=record.sha256)
        for index, record in records
    ]


def _listed(folder: Path, model: str) -> list[Candidate]:
    return [_file(path, model, name) for name, path in volumes_by_id(folder).items()]


def _file(
    path: Path,
    model: str,
    subject: str,
    *,
    run: str | None = None,
    sample: int | None = None,
    recorded: str | None = None,
) -> Candidate:
    def extent() -> tuple[tuple[int, int, int], Triple]:
        header = read_header(path)
        return header.shape, spacing_of(header.affine)

    def sha256() -> str:
        found = content_once(path)
        if recorded not in (None, found):
            raise DataError(f"{path} is not the file that {MANIFEST} describes: sample again, or delete {MANIFEST}")
        return found

    return Candidate(model, subject, run, sample, str(path), partial(Volume.read, path), extent, sha256)


def counts(sources: Mapping[str, Sequence[Candidate]]) -> str:
    """Return how many volumes each source has, in words."""
    return ", ".join(f"{model} {len(candidates)}" for model, candidates in sources.items())
