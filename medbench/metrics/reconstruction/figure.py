"""The figure of ``reconstruction``: volumes, what the autoencoder makes of them, and the difference."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from medbench.drawing.montage import difference_sheet
from medbench.drawing.style import save
from medbench.errors import Unavailable
from medbench.metrics.base import Measured

_TITLES: Final = ("original", "reconstruction", "reconstruction − original [HU]")
_SHOWN: Final = 2


def draw(measured: Measured, path: Path) -> None:
    """Draw the first held-out volumes, their reconstructions and the signed difference in HU, a row a pair.

    Args:
        measured: its evidence has held-out volumes.
        path: the PNG file to write.

    Raises:
        Unavailable: nothing can be reconstructed.
    """
    held_out = measured.evidence.held_out
    if held_out is None:
        raise Unavailable("there are no held-out volumes")
    pairs = list(held_out.only(held_out.ids[:_SHOWN]).reconstructions())
    save(difference_sheet(pairs, _TITLES, window=measured.evidence.protocol.window).figure, path)
