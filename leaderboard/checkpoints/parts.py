"""The real volumes in two parts: one to choose by, and one that only the chosen checkpoint meets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from medbench import registry
from medbench.datasets.base import Case, Dataset, Split
from medbench.errors import NotEnoughCasesError
from medbench.pipeline.options import FolderOptions
from medbench.pipeline.track import Track
from medbench.progress import Progress
from medbench.records.samples import StoredVolume
from medbench.records.sources import Files, Source, as_source
from medbench.spec import Grid

_FEWEST = 2


@dataclass(frozen=True)
class Parts:
    """How the real side is divided.

    Args:
        choice: options of an evaluation against the volumes that the choice is made by.
        report: likewise against those that the reported value rests on.
        words: what was done, in a sentence.
    """

    choice: FolderOptions
    report: FolderOptions
    words: str


@contextmanager
def parted(options: FolderOptions, progress: Progress) -> Iterator[Parts]:
    """Yield both parts: a data set's selection split and its usual reference, or the halves of bare volumes.

    Bare volumes are halved by subject, in the order of their content's hashes: names, folders and time do not matter,
    and the same volumes always fall into the same halves.

    Args:
        options: of an evaluation; its samples do not matter.
        progress: told about every file.

    Raises:
        NotEnoughCasesError: a part would have fewer than two subjects.
        DataError: a file that is absent or damaged.
    """
    if options.dataset is not None:
        track = Track.open(options)
        assert track.dataset is not None
        selection = _Selection(track.dataset, track.identity)
        _require(len({case.patient for case in selection.cases("train")}), f"the selection split of {track.name}")
        with registry.lent("datasets", selection, state=False) as (name, _):
            words = f"chosen on the selection split of {track.name}, reported on its training and held-out splits"
            yield Parts(replace(options, dataset=name), options, words)
        return
    assert options.real is not None  # or a data set
    source = as_source(options.real)
    choice, report = halves(source.volumes(masks=None, progress=progress))
    for half in (choice, report):
        _require(len({item.subject for item in half}), f"half of {source.name}")
    words = (
        f"chosen on {len(choice)} of the {len(choice) + len(report)} real volumes (half of the subjects, by the hash "
        f"of their content), reported on the other {len(report)}"
    )
    yield Parts(
        replace(options, real=_files(f"{source.name}-selection", choice)),
        replace(options, real=_files(f"{source.name}-test", report)),
        words,
    )


def halves(items: Sequence[StoredVolume]) -> tuple[list[StoredVolume], list[StoredVolume]]:
    """Return volumes in two halves, no subject in both; the first is the larger one where their number is odd."""
    smallest: dict[str, str] = {}
    for item in items:
        smallest[item.subject] = min(item.sha256, smallest.get(item.subject, item.sha256))
    order = sorted(smallest, key=lambda subject: (smallest[subject], subject))
    first = set(order[: (len(order) + 1) // 2])
    return [item for item in items if item.subject in first], [item for item in items if item.subject not in first]


def _files(name: str, items: Sequence[StoredVolume]) -> Source:
    return Files(name, {item.id: item.path for item in items}, {item.id: item.subject for item in items})


def _require(subjects: int, what: str) -> None:
    if subjects < _FEWEST:
        raise NotEnoughCasesError(f"{what} has {subjects} subjects, and a choice needs at least {_FEWEST}: give more")


class _Selection:
    """A data set's selection split as the reference, with nothing held out."""

    def __init__(self, whole: Dataset, identity: Mapping[str, Any]) -> None:
        self.info = whole.info
        self.grid: Grid | None = whole.grid
        self._whole, self._identity = whole, identity

    def cases(self, split: Split) -> Sequence[Case]:
        return self._whole.cases("select") if split == "train" else ()

    def identity(self) -> dict[str, Any]:
        return {**self._identity, "reference": "select"}

    def verify(self) -> list[Any]:
        return list(self._whole.verify())
