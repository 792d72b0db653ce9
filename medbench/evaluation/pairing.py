"""Which samples of two runs belong together: those that were made from the same label map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from medbench.evaluation.cache import Cache
from medbench.imaging.volume import LabelMap
from medbench.records.results import Resampled
from medbench.records.samples import StoredVolume, content_once
from medbench.spec import fingerprint
from medbench.statistics.resampling import Replicates, groups_of


def resampled(found: Replicates, items: Sequence[StoredVolume], cache: Cache) -> Resampled:
    """Return replicates as they are kept, with what their groups were made from.

    Args:
        found: the value without one group of subjects after another.
        items: the samples behind it; none for a side that all runs share.
        cache: remembers what label maps hold.
    """
    return Resampled(
        values=tuple(found.values.tolist()), sizes=tuple(found.sizes.tolist()), units=_units(found, items, cache)
    )


def _units(found: Replicates, items: Sequence[StoredVolume], cache: Cache) -> str | None:
    """Return a fingerprint of the label maps behind each group; None unless each subject has one of its own.

    Samples of one label map vary together: where they came into several groups, differences of groups would not be
    independent of each other.
    """
    conditions = {item.subject: item.condition for item in items if item.condition is not None}
    maps = {subject: content_of(file, cache, partial(LabelMap.read, file)) for subject, file in conditions.items()}
    if not maps or not len(maps) == len(set(maps.values())) == len(items) == found.sizes.sum():
        return None
    subjects = sorted(maps)
    groups = groups_of(subjects, most=len(found.sizes)).tolist()
    return fingerprint([[group, maps[subject]] for group, subject in zip(groups, subjects)])


def content_of(file: Path, cache: Cache, read: Callable[[], LabelMap]) -> str:
    """Return what tells the content of a label map from others, however its file is packed.

    Args:
        file: the label map.
        cache: remembers it.
        read: reads the file, where nobody has looked at it before.
    """
    found: str = cache.document("label-maps", content_once(file), {}, lambda: read().content_hash())
    return found
