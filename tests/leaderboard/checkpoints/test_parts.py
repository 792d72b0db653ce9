"""The real volumes in two parts."""

from __future__ import annotations

from pathlib import Path

import pytest

from leaderboard.checkpoints.parts import halves, parted
from medbench import registry
from medbench.errors import NotEnoughCasesError
from medbench.imaging.volume import Volume
from medbench.pipeline.folder import FolderEvaluation
from medbench.pipeline.options import FolderOptions
from medbench.progress import silent
from medbench.records.samples import StoredVolume


def items(count: int, *, each: int = 1) -> list[StoredVolume]:
    """Return volumes of subjects with ``each`` of them; their hashes are in no order."""
    return [
        StoredVolume(f"{place}", f"subject{place // each}", Path(f"{place}.nii"), f"{(place * 7919) % 1009:064d}")
        for place in range(count)
    ]


def test_no_subject_is_in_both_halves() -> None:
    choice, report = halves(items(30, each=3))
    assert len(choice) == len(report) == 15
    assert not {item.subject for item in choice} & {item.subject for item in report}


def test_the_halves_do_not_depend_on_names_and_order() -> None:
    volumes = items(11)
    choice, report = halves(volumes)
    assert (len(choice), len(report)) == (6, 5)
    again, _ = halves([StoredVolume(f"x{v.id}", f"x{v.subject}", v.path, v.sha256) for v in reversed(volumes)])
    assert {item.sha256 for item in again} == {item.sha256 for item in choice}


@pytest.fixture
def real(tmp_path: Path, phantoms: list[Volume]) -> Path:
    for place, volume in enumerate(phantoms):
        volume.write(tmp_path / "real" / f"{place}.nii.gz")
    return tmp_path / "real"


def test_bare_volumes_are_halved(real: Path) -> None:
    options = FolderOptions(samples=real, real=real, device="cpu", metrics=("fid25d",))
    with parted(options, silent) as parts:
        evaluations = [FolderEvaluation(one, silent) for one in (parts.choice, parts.report)]
    sides = [{item.id for item in one.comparison.reference} for one in evaluations]
    assert [len(side) for side in sides] == [4, 4]
    assert not sides[0] & sides[1]
    assert "4 of the 8 real volumes" in parts.words


def test_a_half_needs_two_subjects(real: Path) -> None:
    for place in range(3, 8):
        (real / f"{place}.nii.gz").unlink()
    said = pytest.raises(NotEnoughCasesError, match="half of real has 1 subjects")
    with said, parted(FolderOptions(samples=real, real=real), silent):
        pass


def test_a_data_set_is_chosen_on_its_selection_split(toy_dataset: str, real: Path) -> None:
    options = FolderOptions(samples=real, dataset=toy_dataset, device="cpu", metrics=("fid25d",), workers=1)
    whole = registry.load("datasets", toy_dataset)(None)
    with parted(options, silent) as parts:
        choice = FolderEvaluation(parts.choice, silent).comparison
        report = FolderEvaluation(parts.report, silent).comparison
    assert [item.id for item in choice.reference] == [case.id for case in whole.cases("select")]
    assert choice.held_out == []
    assert [item.id for item in report.reference] == [case.id for case in whole.cases("train")]
    assert [item.id for item in report.held_out] == [case.id for case in whole.cases("test")]
    assert choice.identity != report.identity
    assert choice.identity["source_sha256"] == report.identity["source_sha256"]
