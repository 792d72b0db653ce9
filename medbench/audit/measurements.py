"""What a metric finds in a set of volumes, measured once and kept, one file a set.

It is not measured again as long as data, protocol, instruments, metric and damage stay the same.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from medbench import registry
from medbench.audit.detection import LIMITS_VERSION, Limits, limits_of
from medbench.engines.engine import Engine
from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.evaluation.comparison import Comparison, StoredEvidence
from medbench.evaluation.finite import finite_only
from medbench.evaluation.floors import floor_of
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.one_pass import OnePass, look_through
from medbench.evaluation.side import StoredSide
from medbench.metrics.base import Measurement, Metric
from medbench.pipeline.prepare import RealSplits
from medbench.records.samples import StoredVolume
from medbench.spec import fingerprint
from medbench.storage.files import write_json

T = TypeVar("T", "Found", Limits)


@dataclass(frozen=True)
class Found:
    """What a metric found in one set.

    Args:
        value: None where it could not be computed.
        reason: why it could not; empty otherwise.
    """

    value: float | None
    reason: str = ""


class Measurer:
    """Measures sets of volumes against one reference.

    Args:
        instruments: what the volumes are seen with.
        real: reference and held-out volumes.
        folder: one file a set is kept in it.
        made_by: what made the sets, JSON-ready; what was kept under another one is measured again.
        engine: where the volumes are looked at.
    """

    def __init__(
        self, instruments: Instruments, real: RealSplits, *, folder: Path, made_by: Any, engine: Engine
    ) -> None:
        self.instruments = instruments
        self.real = real
        self.engine = engine
        self.folder = folder
        self._made_by = made_by

    def measured(
        self, name: str, volumes: Callable[[], Sequence[StoredVolume]], metrics: Sequence[str]
    ) -> Mapping[str, Found]:
        """Return what each metric finds in a set.

        Args:
            name: of the set.
            volumes: makes the set; called only if something is left to measure.
            metrics: registered names.
        """

        @functools.cache
        def seen() -> Sequence[StoredVolume]:
            items = volumes()
            look_through(self._comparison(items), OnePass(self.instruments, tuple(metrics)), self.engine)
            return items

        def find(metric: str) -> Found:
            evidence = self._evidence(seen(), intervals=False)
            try:
                return Found(finite_only(registry.load("metrics", metric)().measure(evidence)).value)
            except (Unavailable, NotEnoughCasesError) as reason:
                return Found(None, str(reason))

        return self._kept(name, Found, {metric: self._mark(metric) for metric in metrics}, find)

    def limits(self, items: Sequence[StoredVolume], undamaged: Mapping[str, float]) -> Mapping[str, Limits]:
        """Return what undamaged real volumes reach.

        Args:
            items: the undamaged volumes in the place of samples.
            undamaged: value of each metric that could be computed on them.
        """
        marks = {metric: fingerprint([LIMITS_VERSION, self._mark(metric)]) for metric in undamaged}
        return self._kept("limits", Limits, marks, lambda metric: self._limits(metric, items, undamaged[metric]))

    def _kept(self, name: str, kind: type[T], marks: Mapping[str, str], find: Callable[[str], T]) -> Mapping[str, T]:
        """Return what a file keeps of each metric under its mark; what it does not is found, and kept at once."""
        path = self.folder / f"{name}.json"
        kept: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        for metric, mark in marks.items():
            if kept.get(metric, {}).get("mark") != mark:
                kept[metric] = {"mark": mark, **asdict(find(metric))}
                write_json(path, kept)
        return {metric: kind(**{k: v for k, v in kept[metric].items() if k != "mark"}) for metric in marks}

    def _limits(self, name: str, items: Sequence[StoredVolume], undamaged: float) -> Limits:
        metric: Metric = registry.load("metrics", name)()
        better = metric.info.better
        if metric.info.floor != "splits":
            measured = finite_only(metric.measure(self._evidence(items, intervals=True)))
            return limits_of(undamaged, (), measured.ci95, better=better)
        nothing = Measurement(undamaged, None, "")  # only metrics that declare their own floor are asked for theirs
        floor = floor_of(metric, nothing, self._evidence(items, intervals=False))
        return limits_of(undamaged, floor.values, None, better=better)

    def _evidence(self, items: Sequence[StoredVolume], *, intervals: bool) -> StoredEvidence:
        return self._comparison(items).evidence(self.instruments, intervals=intervals)

    def _comparison(self, items: Sequence[StoredVolume]) -> Comparison:
        return Comparison(items, self.real.reference, self.real.held_out, identity={})

    def _mark(self, metric: str) -> str:
        """Return a fingerprint of all that decides a metric's value on a set."""
        return fingerprint(
            {
                "made_by": self._made_by,
                "real": [_content(side, self.instruments) for side in (self.real.reference, self.real.held_out)],
                "metric": self.instruments.fingerprint([metric]),
            }
        )


def _content(items: Sequence[StoredVolume], instruments: Instruments) -> Any:
    """Return what tells volumes, the masks beside them and their regions' names from others."""
    names = [sorted((item.regions or {}).items()) for item in items]
    return [StoredSide(items, instruments, name="real").content, fingerprint(names)]
