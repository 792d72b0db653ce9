from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from medbench.datasets.base import Case, Split
from medbench.errors import CheckpointError, DataError
from medbench.imaging.volume import Volume
from medbench.progress import silent
from medbench_models.shared.arrays import cache_volumes

Make = Callable[[Split, int], list[Case]]


def test_cases_of_several_shapes_are_refused(tmp_path: Path, make_cases: Make) -> None:
    odd = Volume(np.zeros((8, 8, 8), np.int16), np.eye(4))
    cases = [*make_cases("train", 1), Case(id="odd", split="train", patient="odd", read_volume=lambda: odd)]
    with pytest.raises(DataError, match="case odd has the shape"):
        cache_volumes(cases, tmp_path / "volumes.npy", silent)
    assert not list(tmp_path.iterdir())


def test_a_cache_of_other_cases_is_refused(tmp_path: Path, make_cases: Make) -> None:
    cache_volumes(make_cases("train", 2), tmp_path / "volumes.npy", silent)
    with pytest.raises(CheckpointError, match="holds 2 volumes, not 3"):
        cache_volumes(make_cases("train", 3), tmp_path / "volumes.npy", silent)
