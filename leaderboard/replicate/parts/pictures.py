"""Figures that the runs drew themselves, one below the other."""

from __future__ import annotations

from typing import Literal

from leaderboard.replicate.base import Findings, Part, Picture, Shown
from medbench.progress import Progress


class Pictures(Part):
    """What each model's run shows of a metric.

    Args:
        run: the kind of run that holds the metric.
        metric: registered name.
    """

    kind: Literal["pictures"]
    run: str
    metric: str

    def make(self, findings: Findings, progress: Progress) -> Shown:
        """Return the figures of the metric, the model's name before each caption."""
        del progress
        pictures, notes = [], []
        for model, finished in findings.of(self.run).items():
            result = finished.result(self.metric)
            if result is None:
                notes.append(f"{model}: {finished.why_not(self.metric)}")
                continue
            for figure in result.figures:
                named = figure.model_copy(update={"caption": f"{model}. {figure.caption}"})
                pictures.append(Picture(finished.folder, named, result.stand_ins))
        return Shown(pictures=tuple(pictures), notes=tuple(notes))
