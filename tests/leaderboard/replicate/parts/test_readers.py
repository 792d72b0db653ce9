from __future__ import annotations

from collections.abc import Callable

import pytest

from leaderboard.replicate.base import Findings, Finished
from leaderboard.replicate.parts.readers import Readers
from leaderboard.reported.rows import ReportedRow
from medbench.progress import silent
from medbench.reader_study.packet import Packet
from medbench.reader_study.ratings import Ratings
from medbench.reader_study.tables import Rating

PART = Readers(
    kind="readers", id="figure-4", title="readers", run="samples", per_model=10, criterion="realism", reported="share"
)


@pytest.fixture
def findings(
    finish: Callable[..., Finished], found: Callable[..., Findings], told: Callable[..., ReportedRow]
) -> Findings:
    return found(finish("alpha", samples=4), reported=[told("Alpha", "share", 0.8, n=10)])


def test_a_packet_is_made_once_and_scored_when_it_was_read(
    findings: Findings, finish: Callable[..., Finished], found: Callable[..., Findings]
) -> None:
    shown = PART.make(findings, silent)
    (table,) = shown.tables
    assert [(row.name, row.cells) for row in table.rows] == [("Alpha, SET as reported", ("0.8 (n = 10)",))]
    assert "nobody has read the packet yet" in shown.notes[0]
    packet = Packet.open(findings.out / "readers" / "packet")
    assert packet.study.cases == 4  # two of each source, beside two for training
    for trial in packet.study.orders[0]:
        answers = {one.id: one.values[0] for one in packet.study.criteria}
        Ratings(packet).save("ada", Rating(trial, answers=answers, seconds=3.0))
    read = PART.make(findings, silent)
    measured = {row.name: row.cells for row in read.tables[0].rows}
    assert measured["real"][0].startswith("1.00 [")
    assert measured["alpha"][0].startswith("1.00 [")
    later = found(*findings.of("samples").values(), finish("beta"))
    assert any("made without beta" in note for note in PART.make(later, silent).notes)
