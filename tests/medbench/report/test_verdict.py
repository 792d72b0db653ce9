from __future__ import annotations

import pytest

from medbench.records.results import Against, Result
from medbench.report.verdict import copies, verdict


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "differs from real volumes"),
        ({"floor": 3.0}, "no clear difference"),
        ({"floor": 3.0, "floor_counts": "carried"}, "no clear difference"),
        ({"floor": 4.0}, "nearer than other real volumes"),
        ({"better": "higher", "floor": 2.0}, "nearer than other real volumes"),
        ({"better": "higher", "floor": 3.0}, "no clear difference"),
        ({"better": "higher", "floor": 4.0}, "differs from real volumes"),
    ],
)
def test_the_interval_beside_the_floor_decides(fid: Result, change: dict[str, object], words: str) -> None:
    said = verdict(fid.model_copy(update=change))
    assert (said.words, said.given) == (words, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"floor_counts": "other"}, "none: other counts"),
        ({"floor_counts": None}, "none: other counts"),
        ({"ci95": None}, "none: no interval"),
        ({"floor": None}, "none: no floor of real volumes"),
        ({"floor_values": ()}, "none: no floor of real volumes"),
        ({"ceiling": 0.9}, "none: no floor of real volumes"),
    ],
)
def test_there_is_none_where_counts_or_absences_forbid_it(fid: Result, change: dict[str, object], words: str) -> None:
    said = verdict(fid.model_copy(update=change))
    assert (said.words, said.given) == (words, False)


@pytest.mark.parametrize(("gap", "limit", "copying"), [(0.5, 0.2, True), (0.1, 0.2, False), (0.5, None, False)])
def test_a_gap_beyond_chance_is_a_sign_of_copying(fid: Result, gap: float, limit: float | None, copying: bool) -> None:
    against = Against(n=16, train=1.0, train_values=(1.0,), held_out=1.0 + gap, gap=gap, gap_limit=limit)
    assert copies(fid.model_copy(update={"against": against})) is copying
    assert not copies(fid)
