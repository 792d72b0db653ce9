"""What a metric finds in a set of volumes, measured once and kept, one file a set.

It is not measured again as long as data, protocol, instruments, metric and damage stay the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medbench import registry
from medbench.audit.detection import LIMITS_VERSION, Limits, limits_of
from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.evaluation.comparison import Comparison, StoredEvidence
from medbench.evaluation.finite import finite_only
from medbench.evaluation.floors import floor_of
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.side import StoredSide
from medbench.metrics.base import Measurement, Metric
from medbench.pipeline.prepare import RealSplits
from medbench.records.samples import StoredVolume
from medbench.spec import fingerprint
from medbench.storage.files import write_json


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
    """

    def __init__(self, instruments: Instruments, real: RealSplits, *, folder: Path, made_by: Any) -> None:
        self.instruments = instruments
        self.real = real
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
        path = self.folder / f"{name}.json"
        kept: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        marks = {metric: self._mark(metric) for metric in metrics}
        waiting = [metric for metric in metrics if kept.get(metric, {}).get("mark") != marks[metric]]
        items = volumes() if waiting else ()
        for metric in waiting:
            value, reason = self._value(registry.load("metrics", metric)(), items)
            kept[metric] = {"mark": marks[metric], "value": value, "reason": reason}
            write_json(path, kept)
        return {metric: Found(kept[metric]["value"], kept[metric]["reason"]) for metric in metrics}

    def limits(self, items: Sequence[StoredVolume], undamaged: Mapping[str, float]) -> Mapping[str, Limits]:
        """Return what undamaged real volumes reach.

        Args:
            items: the undamaged volumes in the place of samples.
            undamaged: value of each metric that could be computed on them.
        """
        path = self.folder / "limits.json"
        kept: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
        for metric, value in undamaged.items():
            mark = fingerprint([LIMITS_VERSION, self._mark(metric)])
            if kept.get(metric, {}).get("mark") != mark:
                limits = self._limits(registry.load("metrics", metric)(), items, undamaged=value)
                kept[metric] = {"mark": mark, **asdict(limits)}
                write_json(path, kept)
        return {
            metric: Limits(kept[metric]["worse"], kept[metric]["better"], kept[metric]["how"]) for metric in undamaged
        }

    def _value(self, metric: Metric, items: Sequence[StoredVolume]) -> tuple[float | None, str]:
        try:
            return finite_only(metric.measure(self._evidence(items, intervals=False))).value, ""
        except (Unavailable, NotEnoughCasesError) as reason:
            return None, str(reason)

    def _limits(self, metric: Metric, items: Sequence[StoredVolume], *, undamaged: float) -> Limits:
        better = metric.info.better
        if metric.info.floor != "splits":
            measured = finite_only(metric.measure(self._evidence(items, intervals=True)))
            return limits_of(undamaged, (), measured.ci95, better=better)
        nothing = Measurement(undamaged, None, "")  # only metrics that declare their own floor are asked for theirs
        floor = floor_of(metric, nothing, self._evidence(items, intervals=False))
        return limits_of(undamaged, floor.values, None, better=better)

    def _evidence(self, items: Sequence[StoredVolume], *, intervals: bool) -> StoredEvidence:
        damaged = Comparison(items, self.real.reference, self.real.held_out, identity={})
        return damaged.evidence(self.instruments, intervals=intervals)

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
