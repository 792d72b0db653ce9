"""What every data set must hold."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from medbench.datasets.base import Case, Dataset, Split
from medbench.errors import DataError
from medbench.imaging.formats.geometry import same_grid
from medbench.imaging.grid import to_grid

Check = Callable[[Dataset], None]
SPLITS: tuple[Split, ...] = get_args(Split)


def identity_is_stable(dataset: Dataset) -> None:
    """Strict JSON with name and version; asking again, or another instance, gives the same."""
    first = dataset.identity()
    assert json.loads(json.dumps(first, allow_nan=False)) == first == dataset.identity()
    assert first["name"] == dataset.info.name
    assert first["version"] == dataset.info.version


def cases_come_in_a_fixed_order(dataset: Dataset) -> None:
    """The same ids twice, each once, of the split that was asked for."""
    for split in SPLITS:
        ids = [case.id for case in dataset.cases(split)]
        assert ids == [case.id for case in dataset.cases(split)]
        assert len(set(ids)) == len(ids)
        assert {case.split for case in dataset.cases(split)} <= {split}


def splits_share_no_patient(dataset: Dataset) -> None:
    """What a generator trains on says nothing about the patients that it is judged by."""
    patients = {split: {case.patient for case in dataset.cases(split)} for split in SPLITS}
    for one, other in itertools.combinations(SPLITS, 2):
        assert not patients[one] & patients[other], f"{one} and {other} share {patients[one] & patients[other]}"


def volumes_read_alike_and_fit_the_grid(dataset: Dataset) -> None:
    """Twice the same voxels in HU, also in another process; the label map lies on the volume's grid."""
    for case in _first_of_each(dataset):
        volume = case.read_volume()
        again: Case = pickle.loads(pickle.dumps(case))
        assert again.read_volume().content_hash() == volume.content_hash()
        assert -2048 <= volume.voxels.min() < volume.voxels.max() <= 20000, f"{case.id} is not in HU"
        if dataset.grid is not None and dataset.grid.shape is not None and np.prod(dataset.grid.shape) < 1e6:
            assert to_grid(volume, dataset.grid).shape == dataset.grid.shape
        if case.read_label_map is not None:
            assert same_grid(volume, case.read_label_map())


def verify_finds_nothing(dataset: Dataset) -> None:
    """Data that are whole pass their own check."""
    assert [row for row in dataset.verify() if not row["ok"]] == []


CHECKS: tuple[Check, ...] = (
    identity_is_stable,
    cases_come_in_a_fixed_order,
    splits_share_no_patient,
    volumes_read_alike_and_fit_the_grid,
    verify_finds_nothing,
)


def absent_data_are_refused(plugin: Any, scratch: Path) -> None:
    """In one line, for a folder that is not there and for an empty one; embedded data are always there."""
    (scratch / "empty").mkdir()
    for root in (scratch / "absent", scratch / "empty"):
        dataset = plugin(root)
        if not hasattr(dataset, "root"):
            assert dataset.cases("train"), "embedded data ignore the folder"
            continue
        with pytest.raises(DataError) as refusal:
            dataset.cases("train")
        assert "\n" not in str(refusal.value)
        assert str(root) in str(refusal.value)


def _first_of_each(dataset: Dataset) -> Sequence[Case]:
    return [case for split in SPLITS for case in dataset.cases(split)[:1]]
