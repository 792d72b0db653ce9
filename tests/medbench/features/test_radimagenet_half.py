"""Half precision is nearly the same function, and another network to every fingerprint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medbench.features.radimagenet import WEIGHTS, RadImageNetResNet50
from medbench.features.radimagenet_half import RadImageNetResNet50Half

SLICES = np.random.default_rng(0).random((3, 40, 32), dtype=np.float32)


def test_features_are_near_those_of_float32_and_not_the_same(
    formula_weights_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WEIGHTS.variable, str(formula_weights_file))
    single, half = (
        network(device="cpu").features(SLICES) for network in (RadImageNetResNet50, RadImageNetResNet50Half)
    )
    assert half.dtype == np.float32
    apart = np.abs(half - single).max() / np.abs(single).max()
    assert 1e-5 < apart < 5e-3


def test_it_says_that_it_is_another_network_with_the_same_weights() -> None:
    assert RadImageNetResNet50Half.info.name != RadImageNetResNet50.info.name
    assert RadImageNetResNet50Half.weights == RadImageNetResNet50.weights
