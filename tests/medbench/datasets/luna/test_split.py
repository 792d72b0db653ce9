"""The published split."""

from __future__ import annotations

from medbench.datasets.luna.split import published_split


def test_the_published_split_is_712_88_88() -> None:
    counts = {"train": 0, "select": 0, "test": 0}
    for subset in published_split().subsets:
        counts[subset.split] += subset.scans
    assert counts == {"train": 712, "select": 88, "test": 88}
    assert [subset.split for subset in published_split().subsets] == ["train"] * 8 + ["select", "test"]
    assert "800 / 88" in published_split().rule
