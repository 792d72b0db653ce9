"""Small packets, built by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.imaging.formats.nifti import write_nifti
from medbench.progress import silent
from medbench.reader_study.create import CreateOptions, create
from medbench.reader_study.criteria import load_criteria
from medbench.reader_study.packet import Packet
from medbench.storage.files import sha256_of, write_json

SHAPE = (12, 10, 6)


def describe(packet: Path, **changes: Any) -> None:
    """Write the study.json of a packet of the cases that lie in it, with changes by key."""
    cases = sorted((packet / "cases").glob("*.nii.gz"))
    names = [path.name.removesuffix(".nii.gz") for path in cases]
    training = changes.get("training", [name for name in names if name.startswith("T")])
    counted = [name for name in changes.get("pairs", names) if name not in training]
    criteria = load_criteria("2afc" if "pairs" in changes else "rating")
    document = {
        "schema": 1,
        "title": criteria.title,
        "design": criteria.design,
        "format": "nifti",
        "cases": len([name for name in names if name not in training]),
        "shape": list(SHAPE),
        "spacing_mm": [1.0, 1.0, 2.0],
        "criteria": [criterion.model_dump(mode="json") for criterion in criteria.criteria],
        "training": training,
        "orders": [counted, counted[::-1]],
        "checksums": {name: sha256_of(path) for name, path in zip(names, cases)},
        "commitment": "0" * 64,
    }
    write_json(packet / "study.json", {**document, **changes})


@pytest.fixture
def packet_of(tmp_path: Path) -> Callable[..., Packet]:
    """A packet of four cases and a training case (``T001``), with two orders; study.json can be changed by key."""

    def build(names: tuple[str, ...] = ("C001", "C002", "C003", "C004", "T001"), **changes: Any) -> Packet:
        folder = tmp_path / "packet"
        for seed, name in enumerate(names):
            voxels = np.random.default_rng(seed).integers(-1000, 1000, SHAPE).astype(np.int16)
            affine = np.diag([1.0, 1.0, 2.0, 1.0])
            write_nifti(folder / "cases" / f"{name}.nii.gz", voxels, affine, stored=True)
        describe(folder, **changes)
        return Packet.open(folder)

    return build


@pytest.fixture
def pairs_packet(packet_of: Callable[..., Packet]) -> Packet:
    """Two pairs and a training pair (``T001``)."""
    pairs = {
        "P001": {"left": "C001", "right": "C002"},
        "P002": {"left": "C003", "right": "C004"},
        "T001": {"left": "C005", "right": "C006"},
    }
    names = tuple(f"C00{number}" for number in range(1, 7))
    return packet_of(names, pairs=pairs, training=["T001"], cases=4)


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders of twelve phantoms each, ``alpha`` and ``beta``, which nothing tells apart."""
    root = tmp_path_factory.mktemp("volumes")
    for index in range(24):
        generate(5000 + index, (24, 24, 12))[0].write(root / ("alpha", "beta")[index % 2] / f"{index}.nii.gz")
    return root


@pytest.fixture(scope="session")
def created(volumes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A created packet of ten cases of each folder, and its key."""
    folder = tmp_path_factory.mktemp("created")
    options = CreateOptions(runs=(volumes / "alpha", volumes / "beta"), out=folder / "packet", key=folder / "key.json")
    create(options, silent)
    return folder / "packet", folder / "key.json"
