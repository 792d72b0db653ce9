"""A blinded packet of every model's samples for readers, and what they said once they have."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from leaderboard.replicate.base import REAL, Findings, Part, Row, Shown, Table
from medbench.drawing.text import ABSENT, interval, number
from medbench.progress import Progress
from medbench.reader_study.create import CreateOptions, create
from medbench.reader_study.key import Key
from medbench.reader_study.packet import Packet
from medbench.reader_study.score.score import StudyScore, open_study, score
from medbench.records.manifest import Manifest

_TRAINING = 2


class Readers(Part):
    """The share of cases that readers call real, by source.

    Args:
        run: the kind of run whose samples are read.
        per_model: cases of each source; fewer where a source has fewer.
        criterion: the one that the paper's number is of.
        reported: the paper's name of that number.
    """

    kind: Literal["readers"]
    run: str
    per_model: int
    criterion: str
    reported: str

    def make(self, findings: Findings, progress: Progress) -> Shown:
        """Create ``readers/packet`` unless it is there; return the scores where ratings lie in it.

        A packet is never made anew, since somebody may be reading it.

        Raises:
            DataError: the packet or its ratings were damaged.
            SpecError: too few volumes.
        """
        folder = findings.out / "readers"
        packet, key = folder / "packet", folder / "key.json"
        notes = []
        if not packet.is_dir():
            self._create(packet, key, findings, progress)
        opened = Packet.open(packet)
        sources = {entry.model for entry in Key.read(key, opened).cases.values()}
        if left_out := sorted(findings.of(self.run).keys() - sources):
            notes.append(f"the packet was made without {', '.join(left_out)}: delete {folder} to have another one")
        found = None
        if any(opened.ratings.glob("*.csv")):
            found = score(open_study(packet, key, (), progress))
            notes += found.notes
        else:
            notes.append(
                f"nobody has read the packet yet: medbench study serve {packet} --reader NAME, then the same command"
            )
        return Shown(tables=self._tables(found, findings), notes=tuple(notes))

    def _create(self, packet: Path, key: Path, findings: Findings, progress: Progress) -> None:
        runs = [finished.folder for finished in findings.of(self.run).values()]
        fewest = min(
            len(findings.dataset.cases("test")), *(len(Manifest(folder / "samples").records()) for folder in runs)
        )
        options = CreateOptions(
            runs=tuple(runs),
            real=findings.named,
            data_root=findings.data_root,
            per_model=max(1, min(self.per_model, fewest - _TRAINING)),
            training=_TRAINING,
            out=packet,
            key=key,
        )
        create(options, progress)

    def _tables(self, found: StudyScore | None, findings: Findings) -> tuple[Table, ...]:
        """Return a row a source, then the paper's; none where there is neither."""
        criteria = list(found.criteria) if found is not None else [self.criterion]
        rows, records = [], []
        models = dict.fromkeys(model for of in found.criteria.values() for model in of) if found is not None else {}
        for model in sorted(models, key=lambda name: name != REAL):
            cells = []
            for criterion in criteria:
                standing = found.criteria[criterion].get(model) if found is not None else None
                cells += [ABSENT] if standing is None else [f"{number(standing.share)} {interval(standing.ci95)}"]
                if standing is not None:
                    records.append(
                        self._record(
                            model, criterion, standing.share, *standing.ci95, standing.n, "measured", "readers"
                        )
                    )
            rows.append(Row(model, tuple(cells)))
        for row in findings.reported:
            if row.metric == self.reported:
                of = "" if row.n is None else f" (n = {row.n})"
                told = [f"{row.value:g}{of}" if criterion == self.criterion else ABSENT for criterion in criteria]
                rows.append(Row(f"{row.model}, {row.dataset} as reported", tuple(told), reported=True))
                records.append(
                    self._record(row.model, self.criterion, row.value, None, None, row.n, "reported", row.source)
                )
        caption = "Share of the best answer: called real, or the top of the scale; 95 % interval."
        table = Table(self.id, ("source", *criteria), tuple(rows), tuple(records), caption=caption)
        return (table,) if rows else ()

    @staticmethod
    def _record(
        model: str, criterion: str, share: float, low: float | None, high: float | None, n: int | None, origin: str,
        source: str,
    ) -> dict[str, object]:  # fmt: skip
        return {
            "model": model, "criterion": criterion, "share": share, "ci_low": low, "ci_high": high, "n": n,
            "origin": origin, "source": source,
        }  # fmt: skip
