"""The budget: sizes as people write them, and figures that are measured or absent."""

from __future__ import annotations

import numpy as np
import pytest

from medbench.budget.meter import GIB, Meter, parse_bytes
from medbench.errors import SpecError


@pytest.mark.parametrize(
    ("text", "size"),
    [("24GB", 24 * GIB), ("24 GiB", 24 * GIB), ("512m", 2**29), ("1.5GB", GIB * 3 // 2), ("7", 7)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "24 pounds"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="is no memory size"):
        parse_bytes(text)


def test_on_a_cpu_device_figures_are_absent_and_resident_memory_is_measured() -> None:
    meter = Meter(24 * GIB, "cpu")
    with meter.measure("sample") as measured:
        held = np.ones(50_000_000)
        held.sum()
    budget = meter.budget({"sample": measured[0]})
    assert (budget.kind, budget.card, budget.within) == ("absent", "none", None)
    assert measured[0].allocated_bytes is None
    assert measured[0].rss_bytes > held.nbytes
    assert measured[0].seconds > 0
