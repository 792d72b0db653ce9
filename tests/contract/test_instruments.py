from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.instrument_checks import (
    FEATURE_CHECKS,
    SEGMENTER_CHECKS,
    Check,
    is_here,
    what_is_not_here_can_be_had,
)
from medbench import registry

INSTRUMENTS = Path(__file__).parents[1] / "golden" / "instruments.py"
FEATURES = [*registry.names("features"), f"{INSTRUMENTS}:Slices", f"{INSTRUMENTS}:Volumes"]
SEGMENTERS = [*registry.names("segmenters"), f"{INSTRUMENTS}:Thresholds"]


@pytest.fixture(autouse=True)
def _no_weights_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TOTALSEG_WEIGHTS_PATH", raising=False)
    monkeypatch.delenv("TOTALSEG_HOME_DIR", raising=False)
    yield


@pytest.mark.parametrize("check", FEATURE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", FEATURES, ids=lambda name: Path(name).name)
def test_feature_network(name: str, check: Check) -> None:
    network = registry.load("features", name)(device="cpu")
    (check if is_here(network) else what_is_not_here_can_be_had)(network)


@pytest.mark.parametrize("check", SEGMENTER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SEGMENTERS, ids=lambda name: Path(name).name)
def test_segmenter(name: str, check: Check) -> None:
    segmenter = registry.load("segmenters", name)(device="cpu")
    (check if is_here(segmenter) else what_is_not_here_can_be_had)(segmenter)
