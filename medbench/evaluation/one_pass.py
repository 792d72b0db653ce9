"""One pass over the volumes: what the gate and the metrics want of a volume is computed from one read of it.

Nothing is handed on but through the cache: what is in it is not computed again, and what could not be computed here is
tried again, and told, by the metric that asks for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from medbench.drawing.montage import MOST_VOLUMES
from medbench.engines.engine import Engine
from medbench.engines.work import run_all
from medbench.errors import DataError, MedbenchError, StorageError, Unavailable
from medbench.evaluation.comparison import Comparison
from medbench.evaluation.derivations import CENTRE_SLICES, beside_bytes, wanted_by
from medbench.evaluation.gate.facts import is_known, known_facts
from medbench.evaluation.gate.grids import same_spacing
from medbench.evaluation.instruments import Instruments
from medbench.imaging.formats import read_header
from medbench.imaging.formats.geometry import spacing_of
from medbench.imaging.hounsfield import judge
from medbench.metrics.evidence import Derivation, SideName
from medbench.records.samples import StoredVolume


@dataclass(frozen=True)
class Look:
    """One volume to look at.

    Args:
        item: the volume.
        side: where it stands.
        pictured: whether the montage shows it.
    """

    item: StoredVolume
    side: SideName
    pictured: bool


@dataclass(frozen=True, eq=False)
class OnePass:
    """Looks at volumes; a worker process is handed one of them after the other.

    Args:
        instruments: what the volumes are seen with.
        metrics: registered names of those that will ask.
    """

    instruments: Instruments
    metrics: tuple[str, ...]

    def for_workers(self, engine: Engine) -> OnePass:
        """Return the same pass as a process of an engine may have it."""
        device = engine.device if engine.is_remote else self.instruments.device
        return replace(self, instruments=self.instruments.for_workers(device))

    def lacks(self, look: Look) -> bool:
        """Say whether there is anything to be computed of a volume; what is damaged in the cache is told."""
        instruments = self.instruments
        with suppress(MedbenchError, Unavailable):
            instruments.has_segmentation(look.item)  # so that the cache knows who uses it
        return not is_known(look.item, instruments.cache, instruments.progress) or bool([*self._lacking(look)])

    def __call__(self, look: Look) -> bool:
        """Compute what the cache lacks of a volume; say whether the gate lets the volume through.

        Raises:
            StorageError: the disk is full or cannot be written.
        """
        if (here := self.instruments.here()) is not self.instruments:
            return replace(self, instruments=here)(look)
        opened = self.instruments.open(look.item)
        try:
            passed = all(severity != "error" for severity, *_ in judge(known_facts(opened, self.instruments.cache)))
        except StorageError:
            raise
        except DataError:  # it cannot be read: the gate says so
            return False
        for what in self._lacking(look) if passed else ():
            try:
                self.instruments.derived(opened, what)
            except StorageError:
                raise
            except (Exception, SystemExit):  # noqa: BLE001  a plug-in may raise anything: its metric tells
                continue
        return passed

    def _lacking(self, look: Look) -> Iterator[Derivation]:
        pictured = [CENTRE_SLICES] if look.pictured else []
        for what in (*pictured, *wanted_by(self.metrics, self.instruments)):
            if look.side not in what.sides:
                continue
            try:
                known = self.instruments.has_derived(look.item, what, self.instruments.progress)
            except (MedbenchError, Unavailable):  # like a mask that is not there: its metric tells
                continue
            if not known:
                yield what


def waiting(comparison: Comparison, one_pass: OnePass) -> list[Look]:
    """Return the volumes of which something is to be computed; none where the gate will refuse to compare them.

    Args:
        comparison: the volumes.
        one_pass: what is to be computed.
    """
    shown = comparison.held_out or comparison.reference
    sides: tuple[tuple[SideName, Sequence[StoredVolume]], ...] = (
        ("real", comparison.reference),
        ("synthetic", comparison.synthetic),
        ("held_out", comparison.held_out),
    )
    looks = [
        Look(item, side, pictured=items in (shown, comparison.synthetic) and place < MOST_VOLUMES)
        for side, items in sides
        for place, item in enumerate(items)
    ]
    if one_pass.instruments.protocol.grid is None and not _alike(look.item for look in looks):
        return []
    return [look for look in looks if one_pass.lacks(look)]


def look_at(looks: Sequence[Look], one_pass: OnePass, engine: Engine) -> Iterator[None]:
    """Look at volumes, yielding after each; end early where one of them cannot be compared: the gate then says why.

    Args:
        looks: the volumes.
        one_pass: what is computed of them.
        engine: where that is done.
    """
    if not looks:
        return
    grid = one_pass.instruments.protocol.grid
    shape = grid.shape if grid is not None and grid.shape is not None else read_header(looks[0].item.path).shape
    device, voxels = one_pass.instruments.device, len(looks) * math.prod(shape)
    beside = beside_bytes(one_pass.metrics, one_pass.instruments)
    with engine.looking(len(looks), device=device, voxels=voxels, beside_bytes=beside) as executor:
        for passed in run_all(one_pass, looks, executor=executor):
            yield
            if not passed:
                return


def look_through(comparison: Comparison, one_pass: OnePass, engine: Engine) -> None:
    """Look at all volumes of a comparison: who measures them then finds in the cache what metrics ask for.

    Args:
        comparison: the volumes.
        one_pass: what is computed of them.
        engine: where that is done.
    """
    looks = waiting(comparison, one_pass)
    seen = look_at(looks, one_pass.for_workers(engine), engine)
    for _ in one_pass.instruments.progress.track(seen, task="look at volumes", total=len(looks)):
        pass


def _alike(items: Iterable[StoredVolume]) -> bool:
    """Say whether volumes have one grid by their headers; a header that cannot be read is the gate's matter."""
    try:
        headers = [read_header(item.path) for item in items]
    except DataError:
        return False
    shapes, spacings = {header.shape for header in headers}, [spacing_of(header.affine) for header in headers]
    return len(shapes) == 1 and all(same_spacing(spacing, spacings[0]) for spacing in spacings)
