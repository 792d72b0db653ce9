"""Samples of every model beside a real volume: centre slices in three planes."""

from __future__ import annotations

from typing import Final, Literal

from leaderboard.replicate.base import REAL, Findings, Part, Picture, Shown
from medbench.drawing.panels import VIEWS, Sheet, centre_slice
from medbench.drawing.style import SIDES, save
from medbench.imaging.grid import to_grid
from medbench.imaging.volume import Volume
from medbench.progress import Progress
from medbench.records.manifest import Manifest
from medbench.records.results import StoredFigure

_FIRST: Final = 0


class Samples(Part):
    """One column a model, the first held-out volume before them; nothing is chosen by its looks.

    Args:
        run: the kind of run that the samples are of.
    """

    kind: Literal["samples"]
    run: str

    def make(self, findings: Findings, progress: Progress) -> Shown:
        """Draw ``figures/<id>.png``.

        Raises:
            DataError: a sample is gone or damaged.
        """
        del progress
        columns = {
            model: Volume.read(
                finished.folder / "samples" / Manifest(finished.folder / "samples").records()[_FIRST].file
            )
            for model, finished in findings.of(self.run).items()
        }
        if not columns:
            return Shown(notes=("no model has samples",))
        real = findings.dataset.cases("test")[_FIRST].read_volume()
        grid = findings.protocol.grid
        columns = {REAL: to_grid(real, grid) if grid else real, **columns}
        window = findings.protocol.window
        sheet = Sheet(list(columns.values()), rows=[[view] for view in range(len(VIEWS))], blocks=[1] * len(columns))
        for column, (name, volume) in enumerate(columns.items()):
            sheet.block_title(name, SIDES["real" if name == REAL else "synthetic"][1], column, 1)
            for view in range(len(VIEWS)):
                axes = sheet.cell(column, view, volume, view)
                axes.imshow(
                    centre_slice(volume, view), cmap="gray", vmin=window.low, vmax=window.high, aspect="auto",
                    interpolation="bilinear",
                )  # fmt: skip
                if column == 0:
                    sheet.edge_letter(axes, view)
        for view, title in enumerate(VIEWS):
            sheet.row_title(view, title)
        sheet.footer(f"window {window.low:g} to {window.high:g} HU".replace("-", "−"))
        figure = StoredFigure(
            file=f"figures/{self.id}.png",
            caption="The first sample of each model beside the first held-out volume: centre slices. The patient's "
            "right is on the left of the picture.",
            alt="Axial, coronal and sagittal centre slices of a real volume and of one sample of each model",
            dark=True,
        )
        save(sheet.figure, findings.out / figure.file)
        return Shown(pictures=(Picture(findings.out, figure),))
