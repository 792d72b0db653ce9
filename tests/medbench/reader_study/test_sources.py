from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from medbench.errors import DataError, SpecError
from medbench.imaging.volume import Volume
from medbench.reader_study.sources import gather
from medbench.records.manifest import Manifest, SampleRecord
from medbench.records.run import RunFolder
from medbench.storage.files import sha256_of, write_json

TOY = f"{Path(__file__).parents[2] / 'toys.py'}:ToyDataset"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = RunFolder(tmp_path / "run-7")
    folder.write(folder.open(kind="run", spec={"model": "medlord"}))
    manifest = Manifest(folder.samples)
    for index in range(2):
        path = folder.samples / f"{index:06d}.nii.gz"
        Volume(np.full((4, 5, 6), index, np.int16)).write(path)
        manifest.append(
            SampleRecord(
                index=index, seed=index, file=path.name, sha256=sha256_of(path), shape=(4, 5, 6), spacing=(1, 1, 1),
                native_shape=(4, 5, 6), condition=None, seconds=1.0,
            )
        )  # fmt: skip
    return folder.path


def test_a_run_offers_its_samples(run: Path) -> None:
    found = gather([run], None, data_root=None)["medlord"]
    assert [(one.sample, one.run, one.extent()) for one in found] == [
        (0, "run-7", ((4, 5, 6), (1, 1, 1))),
        (1, "run-7", ((4, 5, 6), (1, 1, 1))),
    ]
    origin = found[1].origin()
    assert (origin.model, origin.sha256) == ("medlord", sha256_of(run / "samples" / "000001.nii.gz"))
    assert found[1].read().voxels.max() == 1


def test_a_sample_that_was_replaced_is_refused(run: Path) -> None:
    Volume(np.full((4, 5, 6), 9, np.int16)).write(run / "samples" / "000001.nii.gz")
    with pytest.raises(DataError, match=r"000001\.nii\.gz is not the file that manifest"):
        gather([run], None, data_root=None)["medlord"][1].origin()


def test_a_data_set_offers_its_held_out_cases_on_its_grid() -> None:
    found = gather([], TOY, data_root=None)["real"]
    assert [one.file for one in found] == [f"toy/test-000{index}" for index in range(4)]
    assert found[0].extent()[0] == found[0].read().shape == (32, 32, 16)
    assert found[0].origin().sha256 == found[0].read().content_hash()


def test_folders_are_called_by_their_names(volumes: Path) -> None:
    found = gather([volumes / "alpha"], str(volumes / "beta"), data_root=None)
    assert {model: len(candidates) for model, candidates in found.items()} == {"real": 12, "alpha": 12}


def test_what_is_refused(run: Path, volumes: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="nothing to read"):
        gather([], None, data_root=None)
    with pytest.raises(SpecError, match="'medlord' is there twice"):
        gather([run, run], None, data_root=None)
    with pytest.raises(DataError, match="no such folder"):
        gather([], str(tmp_path / "absent"), data_root=None)
    shutil.copytree(volumes / "alpha", tmp_path / "real")
    with pytest.raises(SpecError, match="called 'real'"):
        gather([tmp_path / "real"], None, data_root=None)
    write_json(
        tmp_path / "evaluated" / "run.json", RunFolder(run).read().model_dump(mode="json") | {"kind": "evaluation"}
    )
    with pytest.raises(SpecError, match="no samples of its own"):
        gather([tmp_path / "evaluated"], None, data_root=None)
