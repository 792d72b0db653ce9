"""What the documentation shows runs as it says: the examples of the mathematics, and the plug-ins of docs/examples."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import energy_distance

import medbench
import medbench.metrics.functional
import medbench.statistics
from medbench import registry
from medbench.datasets.phantom.dataset import generate

ENERGY3D = f"{Path(__file__).parents[2] / 'docs' / 'examples' / 'energy3d.py'}:Energy3d"
MODULES = [
    importlib.import_module(f"{room.__name__}.{module.name}")
    for room in (medbench.statistics, medbench.metrics.functional)
    for module in pkgutil.iter_modules(room.__path__)
]
SLOW = {"radiomics"}  # MIRP takes seconds to import


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_of_the_mathematics_run(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert tried and not failed, "the output above says which"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_function_of_the_mathematics_has_an_example(module: ModuleType) -> None:
    bare = [
        name
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and name not in SLOW
        and ">>>" not in (inspect.getdoc(function) or "")
    ]
    assert not bare


@pytest.fixture
def energy3d(make_side, make_evidence):
    """Measure the example of a third party's metric on vectors."""

    def measured(real, synthetic, *, subjects=None, **options):
        sides = make_side(len(real), vectors=real), make_side(len(synthetic), vectors=synthetic, subjects=subjects)
        return registry.load("metrics", ENERGY3D)().measure(make_evidence(*sides, **options))

    return measured


def test_energy3d_is_zero_for_a_set_against_itself_and_grows_with_distance(energy3d):
    real = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    values = [energy3d(real, real + np.float32(shift)).value for shift in (0, 0.5, 1, 2)]
    assert values[0] == 0
    assert values == sorted(values) and values[1] > 0


def test_energy3d_of_single_numbers_is_scipys(energy3d):
    """SciPy's is the root of it, and made from the cumulative distributions."""
    rng = np.random.default_rng(1)
    real, synthetic = rng.normal(size=(12, 1)), rng.normal(1.0, 2.0, size=(7, 1))
    assert energy3d(real, synthetic).value == pytest.approx(energy_distance(real[:, 0], synthetic[:, 0]) ** 2)


def test_energy3d_has_an_interval_whose_replicates_leave_out_whole_subjects(energy3d):
    rng = np.random.default_rng(2)
    real, synthetic = rng.normal(size=(8, 3)), rng.normal(0.7, 1.0, size=(10, 3))
    found = energy3d(real, synthetic, subjects=[f"p{index // 2}" for index in range(10)])
    assert 0 <= found.ci95[0] < found.value < found.ci95[1]
    rest = synthetic[2:]
    without_first = 2 * cdist(real, rest).mean() - cdist(real, real).mean() - cdist(rest, rest).mean()
    assert found.replicates["synthetic"].values[0] == pytest.approx(without_first)
    assert energy3d(real, synthetic, intervals=False).ci95 is None


def test_energy3d_is_evaluated_with_interval_floor_and_the_hash_of_its_file(toy_dataset, tmp_path):
    for seed in range(5):
        volume, _ = generate(900 + seed, (32, 32, 16))
        volume.write(tmp_path / f"sample{seed}.nii.gz")
    report = medbench.evaluate(tmp_path, dataset=toy_dataset, metrics=[ENERGY3D], device="cpu")
    (found,) = report.results
    assert (found.metric, found.n_real, found.n_synthetic) == ("energy3d", 8, 5)
    assert found.ci95[0] <= found.value <= found.ci95[1]
    assert found.floor > 0 and found.floor_values
    assert len(found.protocol["source_sha256"]) == 64
