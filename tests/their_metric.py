"""A third party's metric in one file, with everything that a built-in one may have; named by its path."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

from medbench.errors import Unavailable
from medbench.metrics.base import Figure, Measured, Measurement, MetricInfo
from medbench.metrics.evidence import Evidence
from medbench.records.results import CaseColumns
from medbench.storage.weights import WeightFile

SCALE = WeightFile(name="density-scale", file="density-scale.txt", origin="tests")


def draw(measured: Measured, path: Path) -> None:
    from matplotlib.figure import Figure as Canvas

    assert measured.table is not None
    canvas = Canvas()
    axes = canvas.subplots()
    axes.plot(measured.table["hu"], "o")
    axes.set_title(f"{measured.result.value:.1f} {measured.result.unit}, window {measured.evidence.protocol.window}")
    canvas.savefig(path)


def draw_nothing(measured: Measured, path: Path) -> None:
    raise Unavailable("there is nothing to see")


class Density:
    """Distance of each sample's mean HU from that of the real volumes."""

    info: ClassVar = MetricInfo(
        name="density",
        version="1",
        summary="how far the mean HU of a sample lies from that of real volumes",
        better="lower",
        unit="HU",
        min_real=2,
        min_synthetic=2,
        source="tests",
        floor="none",
        weights={"scale": SCALE},
        cases=CaseColumns(value="hu", case="scan"),
        figures=(
            Figure(name="density", caption="Every sample's distance.", alt="A dot a sample", draw=draw),
            Figure(name="planes", caption="The same in the dark.", alt="A dot a sample", draw=draw, dark=True),
            Figure(name="nothing", caption="Never seen.", alt="Nothing", draw=draw_nothing),
        ),
    )

    def measure(self, evidence: Evidence) -> Measurement:
        try:
            scale = float(SCALE.locate().read_text(encoding="utf-8"))
        except Unavailable:
            scale = 1.0
        means = [
            np.array([float(volume.voxels.mean()) for volume in side.volumes()])
            for side in (evidence.real, evidence.synthetic)
        ]
        table = pd.DataFrame({"scan": list(evidence.synthetic.ids), "hu": scale * np.abs(means[1] - means[0].mean())})
        return Measurement(float(table["hu"].mean()), None, "absent: a test", table=table)
