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
    from medbench.metrics.base import Metric
    from medbench.results import Report
    from medbench.volume import LabelMap, Volume

_HOMES = {
    "evaluate": "medbench.api",
    "load_dataset": "medbench.api",
    "Case": "medbench.dataset",
    "Dataset": "medbench.dataset",
    "Generator": "medbench.generator",
    "LabelMap": "medbench.volume",
    "MedbenchError": "medbench.errors",
    "Metric": "medbench.metrics.base",
    "Report": "medbench.results",
    "Volume": "medbench.volume",
}

__all__ = [
    "Case",
    "Dataset",
    "Generator",
    "LabelMap",
    "MedbenchError",
    "Metric",
    "Report",
    "Volume",
    "evaluate",
    "load_dataset",
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
