"""One stored volume, and what it is seen with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.evaluation.cache import Cache
from medbench.evaluation.instruments import Instruments
from medbench.progress import silent
from medbench.records.samples import StoredVolume
from medbench.spec import Protocol
from medbench.storage.files import sha256_of

SHAPE = (16, 16, 8)


@pytest.fixture
def item(tmp_path: Path) -> StoredVolume:
    volume, label_map = generate(0, SHAPE)
    volume.write(tmp_path / "volume.nii.gz")
    label_map.write(tmp_path / "mask.nii.gz")
    path = tmp_path / "volume.nii.gz"
    return StoredVolume("v", "v", path, sha256_of(path), mask=tmp_path / "mask.nii.gz", regions=dict(label_map.names))


def instruments(folder: Path, **protocol: object) -> Instruments:
    return Instruments(
        Protocol(name="t", summary="t", **protocol),
        device="cpu",
        cache=Cache(folder / "cache"),
        progress=silent,
        log_folder=folder / "logs",
    )


@pytest.fixture(name="instruments")
def instruments_() -> Callable[..., Any]:
    return instruments
