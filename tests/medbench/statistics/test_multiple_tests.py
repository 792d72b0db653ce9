"""Holm's adjustment."""

import pytest

from medbench.statistics.multiple_tests import holm


def test_holm_by_hand() -> None:
    # sorted: 0.01 * 4 = 0.04; 0.02 * 3 = 0.06; 0.03 * 2 = 0.06 (never below the one before); 0.5 * 1
    assert holm([0.03, 0.01, None, 0.5, 0.02]) == pytest.approx([0.06, 0.04, None, 0.5, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([None, None]) == [None, None]
    assert holm([]) == []
