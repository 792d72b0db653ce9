"""What a metric found, without figures that are no numbers: a result holds finite numbers or says why they lack."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from medbench.errors import Unavailable
from medbench.metrics.base import Measurement

_NO_NUMBER = "it came out as no finite number"


def finite_only(found: Measurement) -> Measurement:
    """Return a measurement whose figures are all finite; parts that were not are among its ``skipped``.

    Args:
        found: as a metric returned it.

    Raises:
        Unavailable: the value itself is not finite.
    """
    if not math.isfinite(found.value):
        raise Unavailable(f"its value came out as {float(found.value)}: look at tables, volumes and the metric itself")
    parts: dict[str, float | Mapping[str, float]] = {}
    skipped = dict(found.skipped)
    for name, figures in found.parts.items():
        if not isinstance(figures, Mapping):
            parts |= {name: figures} if math.isfinite(figures) else {}
            skipped |= {} if math.isfinite(figures) else {name: _NO_NUMBER}
            continue
        parts[name] = {key: figure for key, figure in figures.items() if math.isfinite(figure)}
        skipped |= {f"{name}.{key}": _NO_NUMBER for key, figure in figures.items() if not math.isfinite(figure)}
    ci95, how = found.ci95, found.ci_method
    if ci95 is not None and not all(map(math.isfinite, ci95)):
        ci95, how = None, f"absent: an end of the interval is no finite number ({how})"
    sound = all(np.isfinite(side.values).all() for side in found.replicates.values())
    replicates = found.replicates if sound else {}
    return replace(found, parts=parts, skipped=skipped, ci95=ci95, ci_method=how, replicates=replicates)
