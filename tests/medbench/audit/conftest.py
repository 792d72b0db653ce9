from pathlib import Path

import pytest

from medbench.audit.audit import AuditOptions

# The mean HU of all volumes against that of the reference: sees a shift by its size, and no order of slices.
MEAN_HU = '''
import numpy as np
from medbench.errors import Unavailable
from medbench.metrics.base import Measurement, MetricInfo

class MeanHu:
    info = MetricInfo(name="meanhu", version="1", summary="s", better="lower", unit="HU", min_real=2,
                      min_synthetic=2, source="tests")

    def measure(self, evidence):
        sides = (evidence.real, evidence.synthetic)
        real, synthetic = (np.mean([volume.voxels.mean() for volume in side.volumes()]) for side in sides)
        return Measurement(float(abs(synthetic - real)), None, "absent: a test")

class Picky(MeanHu):
    """Cannot be computed where two volumes are equal."""

    info = MetricInfo(name="picky", version="1", summary="s", better="lower", unit="HU", min_real=2,
                      min_synthetic=2, source="tests", floor="none")

    def measure(self, evidence):
        means = [float(volume.voxels.mean()) for volume in evidence.synthetic.volumes()]
        if len(set(means)) < len(means):
            raise Unavailable("two volumes are equal")
        return Measurement(float(np.std(means)), (0.0, 1e6) if evidence.intervals else None, "made up")
'''


# 8 training and 4 held-out phantoms of 16 x 16 x 8 voxels: nothing to look at, and quick.
DATASETS = """
import dataclasses
from medbench.datasets.base import DatasetInfo
from medbench.datasets.phantom.dataset import PhantomDataset

class Tiny(PhantomDataset):
    info = DatasetInfo(name="tiny", version="1", summary="s", license="l", source="tests", protocol="folder-2.5d")
    sizes = {"train": 8, "select": 1, "test": 4}

    def __init__(self, root=None):
        super().__init__(root, shape=(16, 16, 8))

    def cases(self, split):
        return super().cases(split)[: self.sizes[split]]

class NoMasks(Tiny):
    info = dataclasses.replace(Tiny.info, name="nomasks")

    def cases(self, split):
        return [dataclasses.replace(case, read_label_map=None) for case in super().cases(split)]

class TooFew(Tiny):
    sizes = {"train": 8, "select": 1, "test": 3}
"""


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    path = tmp_path / "audit_metrics.py"
    path.write_text(MEAN_HU, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("datasets") / "audit_datasets.py"
    path.write_text(DATASETS, encoding="utf-8")
    return path


@pytest.fixture
def options(datasets: Path, plugins: Path) -> AuditOptions:
    return AuditOptions(dataset=f"{datasets}:Tiny", metrics=(f"{plugins}:MeanHu",), device="cpu", workers=1)
