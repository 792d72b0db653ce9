"""medbench: evaluation-first benchmarking of generators of 3D CT volumes.

The public names below are resolved when they are first used, so that ``import medbench`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medbench.api import evaluate, load_dataset
    from medbench.dataset import Case, Dataset
    from medbench.errors import MedbenchError
    from medbench.generator import Generator
    from medbench.metrics.base import Evidence, Measurement, Metric, MetricInfo, require_subjects
    from medbench.results import Report
    from medbench.statistics.resampling import NOT_ASKED, Interval, jackknifed, mean_interval
    from medbench.volume import LabelMap, Volume

_HOMES = {
    "evaluate": "medbench.api",
    "load_dataset": "medbench.api",
    "Case": "medbench.dataset",
    "Dataset": "medbench.dataset",
    "Evidence": "medbench.metrics.base",
    "Generator": "medbench.generator",
    "Interval": "medbench.statistics.resampling",
    "LabelMap": "medbench.volume",
    "MedbenchError": "medbench.errors",
    "Measurement": "medbench.metrics.base",
    "Metric": "medbench.metrics.base",
    "MetricInfo": "medbench.metrics.base",
    "NOT_ASKED": "medbench.statistics.resampling",
    "Report": "medbench.results",
    "Volume": "medbench.volume",
    "jackknifed": "medbench.statistics.resampling",
    "mean_interval": "medbench.statistics.resampling",
    "require_subjects": "medbench.metrics.base",
}

__all__ = [
    "NOT_ASKED",
    "Case",
    "Dataset",
    "Evidence",
    "Generator",
    "Interval",
    "LabelMap",
    "Measurement",
    "MedbenchError",
    "Metric",
    "MetricInfo",
    "Report",
    "Volume",
    "evaluate",
    "jackknifed",
    "load_dataset",
    "mean_interval",
    "require_subjects",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("medbench")
    if name not in _HOMES:
        raise AttributeError(f"module 'medbench' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
