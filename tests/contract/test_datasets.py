from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from contract.dataset_checks import CHECKS, Check, absent_data_are_refused
from medbench import registry
from medbench.datasets.base import Dataset
from medbench.datasets.folder import FolderDataset
from medbench.datasets.luna.dataset import LunaDataset
from medbench.datasets.luna.split import LunaSplit, Subset
from medbench.datasets.pccta import PcctaCounts, PcctaDataset
from medbench.datasets.phantom.dataset import PhantomDataset
from medbench.imaging.volume import LabelMap, Volume

TOY = f"{Path(__file__).parents[1] / 'toys.py'}:ToyDataset"
AFFINE = np.diag([0.7, 0.7, 2.5, 1.0])
SUBSETS = (Subset(scans=2, split="train"), Subset(scans=1, split="select"), Subset(scans=2, split="test"))


def _volume(seed: int) -> Volume:
    return Volume(np.random.default_rng(seed).integers(-1000, 400, (6, 5, 4)).astype(np.int16), AFFINE)


def _folder(root: Path) -> Dataset:
    for number in range(5):
        _volume(number).write(root / f"scan{number}.nii.gz")
        LabelMap((_volume(number).voxels > 0).astype(np.uint8), AFFINE).write(root / "labels" / f"scan{number}.nii.gz")
    rows = ["scan0,train,a", "scan1,train,a", "scan2,select,b", "scan3,test,c", "scan4,test,c"]
    (root / "splits.csv").write_text("\n".join(["id,split,patient", *rows]) + "\n")
    return FolderDataset(root)


def _luna(root: Path) -> Dataset:
    import SimpleITK

    for number, subset in enumerate(SUBSETS):
        for scan in range(subset.scans):
            path = root / f"subset{number}" / f"1.3.6.1.4.1.14519.{number}.{scan}.mhd"
            path.parent.mkdir(parents=True, exist_ok=True)
            image = SimpleITK.GetImageFromArray(_volume(10 * number + scan).voxels.T)
            image.SetSpacing(np.diag(AFFINE)[:3].tolist())
            SimpleITK.WriteImage(image, str(path))
    return LunaDataset(root, split=LunaSplit(rule="test", reason="test", subsets=SUBSETS))


def _pccta(root: Path) -> Dataset:
    for name, count in (("train", 6), ("test", 2)):
        for number in range(count):
            _volume(10 * count + number).write(root / name / f"{name}{number}.nii.gz")
    return PcctaDataset(root, counts=PcctaCounts(train=6, test=2, select=2))


WHOLE: dict[str, Callable[[Path], Dataset]] = {
    "phantom": lambda root: PhantomDataset(),
    "folder": _folder,
    "luna": _luna,
    "pccta": _pccta,
    TOY: lambda root: registry.load("datasets", TOY)(),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", WHOLE, ids=lambda name: Path(name).name)
def test_dataset(name: str, check: Check, tmp_path: Path) -> None:
    check(WHOLE[name](tmp_path))


@pytest.mark.parametrize("name", [*registry.names("datasets"), TOY], ids=lambda name: Path(name).name)
def test_absent_data(name: str, tmp_path: Path) -> None:
    absent_data_are_refused(registry.load("datasets", name), tmp_path)


def test_every_data_set_is_tried_whole() -> None:
    assert set(registry.names("datasets")) <= set(WHOLE), "write a tiny tree of the new data set here"
