"""The figure of ``memorization``: samples beside the training volumes that they are most like."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from medbench.drawing.montage import MOST_PAIRS, difference_sheet
from medbench.drawing.style import save
from medbench.errors import Unavailable
from medbench.imaging.volume import Volume
from medbench.metrics.base import Measured
from medbench.metrics.memorization.copies import best_shift, working_copy
from medbench.spec import Window

_TITLES: Final = ("nearest training", "sample", "sample − training [HU]")


def draw(measured: Measured, path: Path) -> None:
    """Draw the samples nearest to a training volume beside it and the difference, a row a pair, the nearest first.

    Each sample is moved by the best small shift of its working copy, as for the correlation of the voxels: the
    difference of a copy that lies a voxel aside would else be all edges.

    Args:
        measured: its table has one row a judged volume, with the columns ``side``, ``id``, ``nearest_training``,
            ``similarity``, ``ncc``, ``ratio``.
        path: the PNG file to write.

    Raises:
        Unavailable: there is no table.
    """
    if measured.table is None:
        raise Unavailable("there is no table of nearest training volumes")
    samples = measured.table[measured.table["side"] == "synthetic"]
    closest = samples.nsmallest(MOST_PAIRS, "ratio")
    evidence, window = measured.evidence, measured.evidence.protocol.window
    judged = evidence.synthetic.only(list(closest["id"])).volumes()
    training = evidence.real.only(list(closest["nearest_training"])).volumes()
    pairs = [(nearest, _moved(sample, nearest, window)) for sample, nearest in zip(judged, training)]
    sheet = difference_sheet(pairs, _TITLES, window=window)
    for row, (similarity, ncc, ratio) in enumerate(closest[["similarity", "ncc", "ratio"]].itertuples(index=False)):
        sheet.row_title(row, f"r {similarity:.2f}   voxels {ncc:.2f}   ratio {ratio:.2f}".replace("-", "−"))
    save(sheet.figure, path)


def _moved(sample: Volume, training: Volume, window: Window) -> Volume:
    copies = [working_copy(volume.voxels, window=window) for volume in (sample, training)]
    steps = [
        -round(shift * length / short)
        for shift, length, short in zip(best_shift(*copies), sample.shape, copies[0].shape)
    ]
    return Volume(np.roll(sample.voxels, steps, axis=(0, 1, 2)), sample.affine)
