"""The figures of an evaluation, drawn once everything is measured."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from medbench.drawing.montage import MONTAGE, MOST_VOLUMES, montage
from medbench.errors import Unavailable
from medbench.metrics.base import Measured, MetricInfo
from medbench.metrics.evidence import Evidence
from medbench.records.results import Result, StoredFigure
from medbench.storage.files import atomic_path


def draw_figures(measured: Iterable[tuple[MetricInfo, Measured]], evidence: Evidence, run: Path) -> list[Result]:
    """Draw the montage and what each metric shows of itself.

    Args:
        measured: every metric with its number.
        evidence: what they were measured on.
        run: the run folder.

    Returns:
        The results, each with the figures that could be drawn of it.
    """
    sides = (evidence.held_out or evidence.real, evidence.synthetic)
    real, synthetic = (list(islice(side.volumes(), MOST_VOLUMES)) for side in sides)
    montage(real, synthetic, run / MONTAGE.file, window=evidence.protocol.window)
    taken = {MONTAGE.file}
    results = []
    for info, one in measured:
        drawn = []
        for figure in info.figures:
            file = f"figures/{figure.name}.png"
            if file in taken:
                file = f"figures/{info.name}_{figure.name}.png"
            try:
                with atomic_path(run / file) as temporary:
                    figure.draw(one, temporary)
            except Unavailable:
                continue
            taken.add(file)
            drawn.append(StoredFigure(file=file, caption=figure.caption, alt=figure.alt, dark=figure.dark))
        results.append(one.result.model_copy(update={"figures": tuple(drawn)}))
    return results
