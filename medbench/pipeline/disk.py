"""What a run will need on the disk: said before it starts, and refused where it cannot fit."""

from __future__ import annotations

import math
import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from medbench import registry
from medbench.errors import StorageError
from medbench.imaging.slices import slice_count
from medbench.metrics.base import MetricInfo
from medbench.pipeline.track import Track
from medbench.progress import Progress
from medbench.spec import Protocol
from medbench.storage.home import home
from medbench.storage.space import existing, least_bytes, likely_bytes

_WORTH_SAYING_BYTES: Final = 1e9


@dataclass(frozen=True)
class Need:
    """Files that are to be made.

    Args:
        folder: where.
        what: for the message, such as ``88 samples``.
        least_bytes: what they take if nothing packs better.
        likely_bytes: what they take as CT packs.
    """

    folder: Path
    what: str
    least_bytes: float
    likely_bytes: float


def volumes_needed(folder: Path, what: str, count: int, shape: Sequence[int]) -> Need:
    """Return what ``count`` packed volumes (x, y, z) need, named ``what``."""
    return Need(folder, f"{count} {what}", count * least_bytes(shape), count * likely_bytes(shape))


def features_needed(metrics: Sequence[str], protocol: Protocol, volumes: int, shape: Sequence[int]) -> Iterator[Need]:
    """Yield what the slice features (float32) of volumes (x, y, z) need in the cache, where a metric asks for them."""
    infos: list[MetricInfo] = [registry.load("metrics", name).info for name in metrics]
    if volumes and any("extractor" in info.needs for info in infos):
        dimension = registry.load("features", protocol.extractor).info.dimension
        size = 4.0 * dimension * volumes * slice_count(shape, protocol.slices)
        yield Need(home(), f"features of {volumes} volumes", size, size)


def of_track(track: Track, metrics: Sequence[str], shape: Sequence[int], *, more: int) -> list[Need]:
    """Return what preparing a track's data set and seeing its volumes needs.

    Args:
        track: with a data set or without.
        metrics: registered names.
        shape: of the canonical grid (x, y, z).
        more: volumes beside those of the data set that will be seen for the first time.
    """
    waiting = track.unprepared()
    prepared = volumes_needed(home(), "prepared volumes", waiting, shape)
    return [prepared, *features_needed(metrics, track.protocol, waiting + more, shape)]


def require(needs: Sequence[Need], progress: Progress) -> None:
    """Say what is needed where it is a gigabyte or more, by file system.

    Args:
        needs: what is to be made.
        progress: is told.

    Raises:
        StorageError: a file system has less room than the least that is needed there.
    """
    together = defaultdict(list)
    for need in needs:
        if need.likely_bytes:
            together[existing(need.folder).stat().st_dev].append(need)
    for found in together.values():
        folders = " and ".join(dict.fromkeys(str(need.folder) for need in found))
        free = shutil.disk_usage(existing(found[0].folder)).free
        parts = ", ".join(need.what for need in found)
        least, likely = (math.fsum(sizes) for sizes in zip(*((n.least_bytes, n.likely_bytes) for n in found)))
        if least > free:
            raise StorageError(
                f"{parts} need at least {least / 1e9:.2f} GB more and {folders} has {free / 1e9:.2f} GB left: free "
                "some space and run the same command again"
            )
        if likely >= _WORTH_SAYING_BYTES:
            short = "" if likely <= free else ": this will not be enough unless the volumes pack better than CT does"
            progress.note(
                f"the disk: about {likely / 1e9:.1f} GB in {folders} ({parts}), {free / 1e9:.1f} GB are free{short}"
            )
