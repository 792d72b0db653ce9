"""Regional volume ratios of all models beside the real ones: a figure of distributions, and their distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from leaderboard.replicate.base import REAL, Findings, Finished, Part, Picture, Row, Shown, Table
from medbench.drawing.style import INK, QUIET, SIDES, cloud, name_stand_ins, quiet, save
from medbench.drawing.text import ABSENT, label, number
from medbench.progress import Progress
from medbench.records.results import StoredFigure
from medbench.report.context import read_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_COLUMNS: Final = 3
_LANE: Final = 0.36  # inches a distribution
_GAP: Final = 0.62


class Ratios(Part):
    """Distributions of the share of the volume that each region fills.

    Args:
        run: the kind of run that holds the metric.
        metric: registered name of the metric whose table has the ratios (columns side, id, region, ratio).
        figures: parts of the metric that the table shows, by region.
        regions: which of the regions are drawn and told, in this order; those that no run knows are left out.
    """

    kind: Literal["ratios"]
    run: str
    metric: str
    figures: tuple[str, ...]
    regions: tuple[str, ...]

    def make(self, findings: Findings, progress: Progress) -> Shown:
        """Draw ``figures/<id>.png`` and return it with the table of distances.

        Raises:
            DataError: a table of a run is damaged.
        """
        del progress
        lanes: dict[str, pd.DataFrame] = {}
        notes = []
        for model, finished in findings.of(self.run).items():
            result = finished.result(self.metric)
            if result is None:
                notes.append(f"{model}: {finished.why_not(self.metric)}")
                continue
            table = read_table(finished.folder / "tables", result)
            if table is not None:
                lanes.setdefault(REAL, table[table["side"] == REAL])
                lanes[model] = table[table["side"] == "synthetic"]
        if not lanes:
            return Shown(notes=tuple(notes))
        known = {region for lane in lanes.values() for region in lane["region"]}
        regions = [region for region in self.regions if region in known]
        runs = {model: finished for model, finished in findings.of(self.run).items() if model in lanes}
        stand_ins = sorted({name for finished in runs.values() for name in self._stand_ins(finished)})
        figure = StoredFigure(
            file=f"figures/{self.id}.png",
            caption="How much of its volume each region fills: a dot a volume, a box for the quartiles, the density "
            "above it. Real volumes first.",
            alt="Box plots of the share of the volume that each region fills, real volumes against each model",
        )
        _draw(lanes, regions, stand_ins, findings.out / figure.file)
        return Shown((self._table(runs, regions),), (Picture(findings.out, figure, tuple(stand_ins)),), tuple(notes))

    def _stand_ins(self, finished: Finished) -> tuple[str, ...]:
        result = finished.result(self.metric)
        return () if result is None else result.stand_ins

    def _table(self, runs: Mapping[str, Finished], regions: Sequence[str]) -> Table:
        rows, records = [], []
        for model, finished in runs.items():
            result = finished.result(self.metric)
            assert result is not None  # only those have a lane
            for figure in self.figures:
                cells = []
                for region in regions:
                    figures = result.parts.get(region)
                    value = figures.get(figure) if isinstance(figures, dict) else None
                    cells.append(ABSENT if value is None else number(value))
                    records.append({"model": model, "figure": figure, "region": region, "value": value})
                rows.append(Row(f"{model}, {label(figure)}", tuple(cells)))
        columns = ("figure", *map(label, regions))
        return Table(name=self.id, columns=columns, rows=tuple(rows), records=tuple(records))


def _draw(lanes: Mapping[str, pd.DataFrame], regions: Sequence[str], stand_ins: Sequence[str], path: Path) -> None:
    """Draw a panel a region with a lane a model."""
    from matplotlib.figure import Figure

    columns = min(_COLUMNS, len(regions))
    rows = -(-len(regions) // columns)
    height, top, bottom = 0.1 + _LANE * len(lanes), 0.32, 0.75
    inches = (1.2 + 2.9 * columns, top + bottom + rows * (height + _GAP) - _GAP)
    figure = Figure(inches, facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=1.1 / inches[0], right=1 - 0.15 / inches[0], top=1 - top / inches[1], bottom=bottom / inches[1],
        wspace=0.12, hspace=_GAP / height,
    )  # fmt: skip
    for index, axes in enumerate(grid.flat):
        if index >= len(regions):
            axes.set_visible(False)
            continue
        _panel(axes, lanes, regions[index], names=index % columns == 0)
    figure.supxlabel("share of the volume's voxels [%]", fontsize=9, color=QUIET, y=0.3 / inches[1])
    name_stand_ins(figure, stand_ins)
    save(figure, path)


def _panel(axes: Axes, lanes: Mapping[str, pd.DataFrame], region: str, *, names: bool) -> None:
    for y, (name, lane) in enumerate(lanes.items()):
        ratios = lane.loc[lane["region"] == region, "ratio"].to_numpy(float)
        if len(ratios):
            cloud(axes, 100 * ratios, y, colour=SIDES["real" if name == REAL else "synthetic"][1], height=0.9)
    quiet(axes)
    axes.set_title(label(region), loc="left", fontsize=9, color=INK, pad=4)
    axes.set_yticks(range(len(lanes)), list(lanes) if names else [""] * len(lanes))
    axes.set_ylim(len(lanes) - 0.45, -0.55)
