"""An audit of metrics on a data set, from options to a report on disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from medbench.audit.figure import draw
from medbench.audit.ladder import AuditReport, climb, shared_region
from medbench.errors import DataError, SpecError
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.measure import write_table
from medbench.pipeline.options import TrackOptions, resolve_metrics
from medbench.pipeline.prepare import RealSplits
from medbench.pipeline.track import Track
from medbench.progress import Progress
from medbench.records.run import Logged
from medbench.storage.files import make_folder, write_json

_FEWEST = 4
_OURS = ("measured", "log.txt")
_COLUMNS = ("metric", "damage", "unit", "strength", "value", "better", "limit", "limit_how")


@dataclass(frozen=True, kw_only=True)
class AuditOptions(TrackOptions):
    """The options of ``medbench audit-metrics``; None means the data set's or protocol's default.

    Args:
        samples: how many held-out volumes are damaged; None: all.
        region: the structure that goes missing; the one of median size where None.
    """

    dataset: str
    samples: int | None = None
    region: str | None = None


def audit_metrics(options: AuditOptions, out: Path, progress: Progress) -> AuditReport:
    """Measure every metric on damaged held-out volumes; write ``audit.json``, a table and a figure to ``out``.

    Args:
        options: what was asked for.
        out: a new or empty folder, or that of an earlier audit, which is taken up where it stopped.
        progress: told about every set.

    Raises:
        SpecError: ``out`` holds something else, the structure is in no mask, or no metric can be computed here.
        DataError: the data set has no held-out volumes, or is absent.
    """
    metrics = resolve_metrics(options.metrics)
    track = Track.open(options)
    _open(out)
    logged = Logged(progress, out / "log.txt")
    real = track.real(logged)
    real = RealSplits(real.reference, real.held_out[: options.samples])
    if len(real.held_out) < _FEWEST:
        raise DataError(f"{options.dataset} has {len(real.held_out)} held-out volumes here: an audit needs {_FEWEST}")
    instruments = track.instruments(progress=logged, logs=out / "logs")
    region = _region(options.region, real, instruments)
    about = (
        f"{len(real.held_out)} held-out volumes of {track.name} against {len(real.reference)} training volumes, "
        f"protocol {track.protocol.name}"
    )
    if region is not None:
        about += f"; the structure that goes missing is {region}"
    report = climb(instruments, real, metrics, engine=track.engine, region=region, folder=out, about=about)
    if not report.rows:
        raise SpecError(
            "nothing can be audited; " + "; ".join(f"{what}: {why}" for what, why in report.left_out.items())
        )
    save(report, out)
    return report


def save(report: AuditReport, out: Path) -> None:
    """Write ``audit.json``, ``tables/audit.csv`` (one line a metric, damage and strength) and ``figures/audit.png``."""
    import pandas as pd

    write_json(out / "audit.json", asdict(report))
    lines = pd.DataFrame(map(asdict, report.rows)).rename(columns={"strengths": "strength", "values": "value"})
    write_table(out / "tables" / "audit.csv", lines.explode(["strength", "value"])[list(_COLUMNS)])
    draw(report, out / "figures" / "audit.png")


def _open(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()) and not any((out / name).exists() for name in _OURS):
        raise SpecError(f"{out} is not empty and holds no audit: choose another --out")
    make_folder(out)


def _region(asked: str | None, real: RealSplits, instruments: Instruments) -> str | None:
    if asked is None:
        return shared_region(real.held_out, instruments)
    masked = next((item for item in real.held_out if item.mask is not None), None)
    known = list(instruments.open(masked).mask().names.values()) if masked is not None else []
    if asked not in known:
        raise SpecError(f"no held-out mask names the structure '{asked}': choose from {', '.join(known) or 'none'}")
    return asked
