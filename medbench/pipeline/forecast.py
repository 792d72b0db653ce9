"""What a stage will need on a GPU, asked of the generator before any work, and what would fit where it does not."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Final

from medbench.budget.meter import GIB, Meter
from medbench.budget.search import Largest, largest_shape
from medbench.errors import BudgetExceededError, MedbenchError
from medbench.generators.base import Predicts, Shape, Stage
from medbench.progress import Progress
from medbench.records.results import StagePrediction, TensorMemory

_SEARCH_S: Final = 40.0
_ADVICE_S: Final = 20.0


@dataclass(frozen=True)
class Forecast:
    """A stage of a generator at a shape, and what it may use.

    Args:
        plugin: the generator's class.
        preset: one of its presets.
        stage: what is to run.
        shape: voxels (x, y, z).
        limit_bytes: of GPU memory.
    """

    plugin: Any
    preset: str
    stage: Stage
    shape: Shape
    limit_bytes: float

    @cached_property
    def prediction(self) -> StagePrediction | None:
        """What the stage needs; None where the generator does not predict.

        Raises:
            DataError: the shape does not suit the generator.
        """
        generator = self.plugin(self.preset, device="cpu")
        if not isinstance(generator, Predicts):
            return None
        found = generator.predict(self.stage, self.shape, limit_bytes=self.limit_bytes)
        return StagePrediction(
            shape=self.shape,
            peak_bytes=found.peak_bytes,
            tensor_bytes=found.tensor_bytes,
            largest_tensors=tuple(TensorMemory(**asdict(tensor)) for tensor in found.largest_tensors),
        )

    @property
    def fits(self) -> bool:
        """Whether the prediction, if there is one, lies within the limit."""
        return self.prediction is None or self.prediction.peak_bytes <= self.limit_bytes

    def refusal(self, advice: str) -> BudgetExceededError:
        """Return the error of a stage that cannot fit, with what to do in its place."""
        assert self.prediction is not None  # without one it fits
        largest = self.prediction.largest_tensors[0]
        return BudgetExceededError(
            f"{self.plugin.info.name}'s preset {self.preset}, stage {self.stage} at {_size(self.shape)} voxels, needs "
            f"about {_gib(self.prediction.peak_bytes)} GiB of GPU memory, and only {_gib(self.limit_bytes)} GiB may be "
            f"used (largest tensor: {_size(largest.shape)} {largest.dtype} of {largest.layer}): {advice}"
        )

    def warning(self) -> str:
        """Say in a line that a stage is tried though it is predicted not to fit."""
        assert self.prediction is not None  # without one it fits
        return (
            f"predicted: stage {self.stage} needs about {_gib(self.prediction.peak_bytes)} GiB of GPU memory, more "
            f"than the {_gib(self.limit_bytes)} GiB that may be used"
        )

    def advice(self) -> str:
        """Say which presets, else which shape, else which budget would fit, by the predictions.

        Where this one was predicted to fit and did not, only what is predicted to need less is named.
        """
        least = min(self.limit_bytes, self.prediction.peak_bytes - 1 if self.prediction else math.inf)
        others = [f"{one.preset} ({_gib(one.prediction.peak_bytes)} GiB)" for one in self._others(least)]
        if others:
            return f"by prediction preset {' or '.join(others)} would fit"
        found = self.largest(least, seconds=_ADVICE_S).shape if self.prediction else None
        if found is not None:
            return f"by prediction volumes of {_size(found)} voxels would fit"
        needed = max(self.limit_bytes, self.prediction.peak_bytes if self.prediction else 0) + 1
        return f"take a larger card and --budget above {math.floor(needed / GIB)}GB"

    def largest(self, limit_bytes: float, *, seconds: float = _SEARCH_S) -> Largest:
        """Search the largest shape of the same proportions within a limit.

        Raises:
            DataError: the shape itself does not suit the generator.
        """

        def peak(shape: Shape) -> float:
            one = self if shape == self.shape else replace(self, shape=shape)
            assert one.prediction is not None  # the caller has seen one
            return one.prediction.peak_bytes

        return largest_shape(self.shape, peak, limit_bytes, seconds=seconds)

    def _others(self, limit_bytes: float) -> Iterator[Any]:
        for preset in self.plugin.info.presets:
            other = replace(self, preset=preset)
            try:
                fits = preset != self.preset and other.prediction and other.prediction.peak_bytes <= limit_bytes
            except MedbenchError:  # the shape does not suit it
                continue
            if fits:
                yield other


class Forecasts:
    """The forecasts of a run's stages, each made once, when it is asked for.

    Args:
        plugin: the generator's class.
        preset: one of its presets.
        meter: says what may be used.
        shape: returns the voxels (x, y, z) of what a stage is about; None where nobody knows.
    """

    def __init__(self, plugin: Any, preset: str, meter: Meter, shape: Callable[[Stage], Shape | None]) -> None:
        self._plugin = plugin
        self._preset = preset
        self._meter = meter
        self._shape = shape
        self._made: dict[Stage, Forecast | None] = {}
        self._told: set[Stage] = set()

    def of(self, stage: Stage) -> Forecast | None:
        """Return a stage's forecast; None where the generator does not predict, or nobody knows the shape."""
        if stage not in self._made:
            shape = self._shape(stage) if hasattr(self._plugin, "predict") else None
            limit = self._meter.allowed_bytes()
            self._made[stage] = None if shape is None else Forecast(self._plugin, self._preset, stage, shape, limit)
        return self._made[stage]

    def require(self, stages: Sequence[Stage], *, force: bool, progress: Progress) -> None:
        """Refuse, before any work, what is predicted not to fit; on a CPU, and where it is forced, only say so.

        Raises:
            BudgetExceededError: a stage needs more than may be used.
            DataError: a shape does not suit the generator.
        """
        for forecast in filter(None, map(self.of, stages)):
            if forecast.fits:
                continue
            if self._meter.device != "cpu" and not force:
                raise forecast.refusal(f"{forecast.advice()}; --force tries it nevertheless")
            if forecast.stage not in self._told:
                progress.note(forecast.warning())
            self._told.add(forecast.stage)


def _gib(size: float) -> str:
    return f"{size / GIB:.1f}"


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
