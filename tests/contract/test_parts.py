"""Every part that a metric reports has a definition: checked on the golden results, which hold all that it reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medbench import registry

GOLDEN = json.loads((Path(__file__).parents[1] / "data" / "golden" / "results.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("metric", sorted(GOLDEN))
def test_every_part_is_defined_in_one_line(metric: str) -> None:
    definitions = registry.load("metrics", metric).info.parts
    reported = {
        name
        for part, figures in GOLDEN[metric]["parts"].items()
        for name in (figures if isinstance(figures, dict) else [part])
    }
    assert reported - definitions.keys() == set()
    for one in definitions.values():
        assert one.meaning and "\n" not in one.meaning and not one.meaning.endswith(".")
