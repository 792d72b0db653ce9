"""Samples beside the label maps that steered them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from leaderboard.replicate.base import Findings, Finished, Part, Picture, Shown
from medbench.drawing.panels import VIEWS, Sheet, centre_slice
from medbench.drawing.style import SIDES, save
from medbench.imaging.volume import LabelMap, Volume
from medbench.progress import Progress
from medbench.records.manifest import Manifest
from medbench.records.results import StoredFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

_VIEWS: Final = (0, 1)
_COLOURS: Final = 20  # of the map tab20; labels beyond begin again


class Steered(Part):
    """For every model that label maps can steer: a label map, and the sample made from it with its outlines.

    Args:
        run: the kind of run that was steered.
    """

    kind: Literal["steered"]
    run: str

    def make(self, findings: Findings, progress: Progress) -> Shown:
        """Draw ``figures/<id>.png``.

        Raises:
            DataError: a sample or its label map is gone or damaged.
        """
        del progress
        pairs = {model: _first_pair(finished) for model, finished in findings.of(self.run).items()}
        if not pairs:
            return Shown(notes=("no model was steered by label maps",))
        volumes = [volume for volume, _ in pairs.values()]
        sheet = Sheet(volumes, rows=[[view] for view in _VIEWS], blocks=[2] * len(pairs))
        for block, (model, (volume, label_map)) in enumerate(pairs.items()):
            sheet.block_title(model, SIDES["synthetic"][1], block, 2)
            for row, view in enumerate(_VIEWS):
                labels = centre_slice(Volume(label_map.voxels.astype(np.int16), volume.affine), view)
                _show_labels(sheet.cell(2 * block, row, volume, view), labels)
                _show_outlined(sheet.cell(2 * block + 1, row, volume, view), volume, view, labels, findings)
        for row, view in enumerate(_VIEWS):
            sheet.row_title(row, VIEWS[view])
        figure = StoredFigure(
            file=f"figures/{self.id}.png",
            caption="The first held-out label map (left) and the first sample that each model made from it, with the "
            "outlines of the label map (right): centre slices.",
            alt="Label maps in colours beside grey slices of samples with the outlines of the label maps",
            dark=True,
        )
        save(sheet.figure, findings.out / figure.file)
        return Shown(pictures=(Picture(findings.out, figure),))


def _first_pair(finished: Finished) -> tuple[Volume, LabelMap]:
    folder = finished.folder / "samples"
    record = Manifest(folder).records()[0]
    assert record.condition is not None  # the run was steered
    return Volume.read(folder / record.file), LabelMap.read(folder / record.condition)


def _show_labels(axes: Axes, labels: np.ndarray) -> None:
    axes.imshow(_wrapped(labels), cmap=_colours(), vmin=1, vmax=_COLOURS, aspect="auto", interpolation="none")


def _show_outlined(axes: Axes, volume: Volume, view: int, labels: np.ndarray, findings: Findings) -> None:
    window = findings.protocol.window
    axes.imshow(
        centre_slice(volume, view), cmap="gray", vmin=window.low, vmax=window.high, aspect="auto",
        interpolation="bilinear",
    )  # fmt: skip
    for value in np.unique(labels[labels > 0]):
        axes.contour(labels == value, levels=[0.5], colors=[_colours()((int(value) - 1) % _COLOURS)], linewidths=0.7)


def _wrapped(labels: np.ndarray) -> np.ndarray:
    """Return labels as 1 to 20, the background masked."""
    return np.ma.masked_where(labels == 0, (labels - 1) % _COLOURS + 1)


def _colours() -> Colormap:
    from matplotlib import colormaps

    return colormaps["tab20"]
