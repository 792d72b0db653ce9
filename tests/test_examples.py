"""What the documentation shows runs as it says: the examples of the mathematics, and the plug-ins of docs/examples."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from types import ModuleType

import pytest

import medbench.metrics.functional
import medbench.statistics

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
