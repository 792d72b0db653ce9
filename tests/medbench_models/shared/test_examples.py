"""The examples in docstrings of the mathematics run and are right."""

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("name", ["losses", "nearest", "samplers", "schedules"])
def test_examples(name: str) -> None:
    found = doctest.testmod(import_module(f"medbench_models.shared.{name}"))
    assert found.attempted
    assert not found.failed
