"""``medbench study score``: everything that a read study says, computed at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medbench.progress import Progress
from medbench.reader_study.key import Key
from medbench.reader_study.packet import Packet
from medbench.reader_study.score.agreement import Agreement, agreement
from medbench.reader_study.score.criteria import Difference, Standing, differences, enough, ratings_of, standing
from medbench.reader_study.score.detection import Detection, detections
from medbench.reader_study.score.forced_choice import choices, chosen, left_share, preferences
from medbench.reader_study.score.unblind import Unblinded, collect, unblind

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class StudyScore:
    """What a study says.

    Args:
        readers: who has read.
        cases: different cases that were rated; of pairs, pairs.
        criteria: criterion -> source -> its ratings; sources with fewer than two rated cases are left out.
        tests: of every two sources by every criterion, adjusted together.
        agreement: by criterion.
        detection: real against synthetic by signed confidence.
        notes: what to know before quoting any of it.
    """

    readers: tuple[str, ...]
    cases: int
    criteria: dict[str, dict[str, Standing]]
    tests: tuple[Difference, ...]
    agreement: dict[str, Agreement]
    detection: tuple[Detection, ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        """Return the document of ``--json``."""
        return asdict(self)


def open_study(packet: Path, key: Path, files: Sequence[Path], progress: Progress) -> Unblinded:
    """Return a study with its ratings and sources; packet, key and ratings are checked.

    Args:
        packet: its folder.
        key: its key file.
        files: tables of ratings; none: those in the packet.
        progress: told about every case that is checked.

    Raises:
        DataError: the key is not this packet's, the packet was changed, or ratings are damaged or absent.
    """
    opened = Packet.open(packet)
    unsealed = Key.read(key, opened)
    opened.verify(progress)
    return unblind(opened, unsealed, collect(opened, files))


def score(scored: Unblinded) -> StudyScore:
    """Compute everything.

    Args:
        scored: a study with its ratings and sources.

    Raises:
        MissingExtraError: the libraries for it are not installed.
    """
    paired = scored.study.design == "2afc"
    return StudyScore(
        readers=tuple(scored.readers),
        cases=scored.once["trial"].nunique(),
        criteria=_chosen(scored) if paired else _standings(scored),
        tests=tuple(preferences(scored) if paired else differences(scored)),
        agreement={criterion.id: agreement(scored, criterion) for criterion in scored.study.criteria},
        detection=() if paired else tuple(detections(scored)),
        notes=(*scored.notes, *_few_readers(scored)),
    )


def reader_table(scored: Unblinded) -> pd.DataFrame:
    """Return one row a reader: trials, time, and what shows a leaning (both rates of realism, or the side).

    Args:
        scored: a study with its ratings and sources.
    """
    import pandas as pd

    rows = []
    for reader, mine in scored.once.groupby("reader"):
        row: dict[str, object] = {
            "reader": reader,
            "trials": len(mine),
            "median_seconds": mine["seconds"].median(),
            "total_seconds": mine["seconds"].sum(),
        }
        for criterion in scored.study.criteria:
            given = mine[mine[criterion.id].notna()]
            if criterion.kind == "realism":
                real = given["model"] == "real"
                row["real_called_real"] = given[criterion.id][real].mean()
                row["synthetic_called_synthetic"] = 1 - given[criterion.id][~real].mean()
            if criterion.kind == "choice" and len(given):
                row["first_chosen"] = given[criterion.id].mean()
                row["left_chosen"] = left_share(given, criterion.id)
        rows.append(row)
    return pd.DataFrame(rows)


def _standings(scored: Unblinded) -> dict[str, dict[str, Standing]]:
    found: dict[str, dict[str, Standing]] = {}
    for criterion in scored.study.criteria:
        ratings = {model: ratings_of(scored.once, criterion.id, model) for model in scored.models}
        found[criterion.id] = {model: standing(criterion, given) for model, given in ratings.items() if enough(given)}
    return found


def _chosen(scored: Unblinded) -> dict[str, dict[str, Standing]]:
    (criterion,) = (criterion.id for criterion in scored.study.criteria)
    found = choices(scored)
    several = len({model for _, model in found}) < len(found)
    return {
        criterion: {
            f"{model} over {first}" if several else model: chosen(given)
            for (first, model), given in found.items()
            if enough(given)
        }
    }


def _few_readers(scored: Unblinded) -> tuple[str, ...]:
    count = len(scored.readers)
    if count < 3:
        return (f"with {count} reader{'s' * (count > 1)} nothing can be said about readers in general: 3 are needed",)
    return ("with fewer than 5 readers the spread between readers is only roughly known",) if count < 5 else ()
