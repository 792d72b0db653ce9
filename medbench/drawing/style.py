"""What the figures share: colours of the sides, quiet axes, the line that names stand-ins, and how a PNG is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from medbench.storage.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI: Final = 150
INK, QUIET, RULE = "#1c2430", "#5b6673", "#dfe3e8"

# Okabe and Ito's colours, which stay apart for colour-blind readers; each side keeps its colour in every figure.
SIDES: Final[Mapping[str, tuple[str, str]]] = {
    "real": ("real", "#0072B2"),
    "held_out": ("held-out real", "#009E73"),
    "synthetic": ("synthetic", "#D55E00"),
}
_GOLDEN = 0.618034
_FEWEST_FOR_DENSITY = 8


def cloud(axes: Axes, values: np.ndarray, y: float, *, colour: str, height: float) -> None:
    """Draw a distribution along x: its density above a thin box, every value as a dot below it.

    Dots are spread by the golden ratio, so that no chance is needed; the more there are, the smaller they get. The
    density needs eight different values; zeros, which stand for absent regions, are no part of it.

    Args:
        axes: y grows downwards.
        values: (n,) one or more.
        y: where the box lies.
        colour: of everything.
        height: of everything together.
    """
    line = {"color": colour, "lw": 1.1}
    present = values[values != 0]
    if len(np.unique(present)) >= _FEWEST_FOR_DENSITY:
        # "low" is above the box, since y grows downwards
        density = axes.violinplot(
            [present], positions=[y - 0.14 * height], orientation="horizontal", widths=0.72 * height, side="low",
            showextrema=False,
        )  # fmt: skip
        (body,) = np.atleast_1d(np.asarray(density["bodies"], dtype=object))
        body.set(facecolor=colour, alpha=0.28, linewidth=0)
    spread = (np.arange(len(values)) * _GOLDEN) % 1
    size = float(np.clip(16.0 / np.sqrt(len(values)), 1.2, 2.6))
    axes.plot(values, y + (0.17 + 0.3 * spread) * height, "o", ms=size, color=colour, alpha=0.5, mew=0, zorder=1)
    axes.boxplot(
        [values], positions=[y], orientation="horizontal", widths=0.2 * height, showfliers=False, manage_ticks=False,
        boxprops=line, whiskerprops=line, showcaps=False, medianprops={"color": colour, "lw": 2.6},
    )  # fmt: skip


def quiet(axes: Axes) -> None:
    """Leave of the frame only what carries the data: a light grid and the x axis' numbers."""
    axes.spines[:].set_visible(False)
    axes.grid(axis="x", color=RULE, lw=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=8, labelcolor=QUIET)
    axes.locator_params(axis="x", nbins=5)


def name_stand_ins(figure: Figure, stand_ins: Sequence[str]) -> None:
    """Print under a figure the named substitutes behind its numbers."""
    if stand_ins:
        width, height = figure.get_size_inches()
        text = f"made by a stand-in: {', '.join(stand_ins)}"
        figure.text(1 - 0.12 / width, 0.08 / height, text, fontsize=7.5, color="#8a4b00", ha="right", va="bottom")


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all; equal figures give equal bytes."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=DPI, facecolor=figure.get_facecolor(), metadata={"Software": None})
