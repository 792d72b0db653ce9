"""Fixtures shared by all tests: an isolated home, and a small track that runs in seconds."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
TOYS = Path(__file__).parent / "toys.py"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-golden", action="store_true", help="keep the numbers of the golden run as golden ones")


@pytest.fixture(scope="session", autouse=True)
def _home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees the user's own data, weights or caches."""
    os.environ["MEDBENCH_HOME"] = str(tmp_path_factory.mktemp("home"))
    for name in [name for name in os.environ if name.startswith(("MEDBENCH_DATA", "MEDBENCH_WEIGHTS_"))]:
        del os.environ[name]


@pytest.fixture
def toy_dataset() -> str:
    """Name a small data set: 8 training, 2 selection and 4 held-out phantoms of 32 x 32 x 16 voxels."""
    return f"{TOYS}:ToyDataset"


@pytest.fixture
def toy_generator() -> str:
    """Name a generator that needs no weights and takes no time."""
    return f"{TOYS}:ToyGenerator"
