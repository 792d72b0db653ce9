from __future__ import annotations

from pathlib import Path

import pytest

from contract.generator_checks import CHECKS, Check, Trial
from medbench import registry

TOY = f"{Path(__file__).parents[1] / 'toys.py'}:ToyGenerator"


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [*registry.names("generators"), TOY], ids=lambda name: Path(name).name)
def test_generator(name: str, check: Check, tmp_path: Path) -> None:
    check(Trial(registry.load("generators", name), tmp_path))
