"""Where data sets are looked for, and what is said when nobody told."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench.datasets.folder import FolderDataset
from medbench.datasets.luna.dataset import LunaDataset
from medbench.datasets.pccta import PcctaDataset
from medbench.errors import DataError
from medbench.storage.home import data_root


def test_the_option_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDBENCH_DATA", str(tmp_path))
    assert data_root(None, "luna") == tmp_path / "luna"
    assert data_root(tmp_path / "here", "luna") == tmp_path / "here"


@pytest.mark.parametrize(
    ("dataset", "mend"),
    [
        (LunaDataset(), "run 'medbench data fetch luna --data-root DIR'"),
        (PcctaDataset(), "put 120 volumes into train/ and 16 into test/"),
        (FolderDataset(), "put volumes there in any tree, label maps into its labels/"),
    ],
)
def test_a_data_set_without_a_place_names_its_mend(dataset, mend: str) -> None:
    name = dataset.info.name
    with pytest.raises(DataError, match=rf"where is {name}\? Give --data-root DIR or set MEDBENCH_DATA") as caught:
        dataset.cases("test")
    assert mend in str(caught.value)
    assert "\n" not in str(caught.value)
