"""The pseudo-model ``real``: held-out real volumes in the place of samples. What it scores is the floor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from medbench.errors import NotEnoughCasesError, SpecError
from medbench.generators.base import FitRequest, GeneratorInfo, SampleRequest
from medbench.imaging.volume import Volume


class Real:
    """Yields the held-out cases of the data set in their fixed order."""

    info: ClassVar = GeneratorInfo(
        name="real",
        version="1",
        capabilities=("unconditional",),
        presets=("held-out",),
        native_shape=None,
        license="Apache-2.0",
        paper="",
    )

    def __init__(self, preset: str, *, device: str) -> None:
        self.preset = preset
        self.device = device

    def fit(self, request: FitRequest) -> Path:
        """Refuse: there is nothing to train.

        Raises:
            SpecError: always.
        """
        raise SpecError("the model 'real' cannot be trained: leave out --train")

    def default_checkpoint(self) -> Path | None:
        """Return None: there are no weights."""
        return None

    def load(self, checkpoint: Path | None) -> None:
        """Accept None only.

        Raises:
            SpecError: a checkpoint was given.
        """
        if checkpoint is not None:
            raise SpecError("the model 'real' has no weights: leave out --checkpoint")

    def sample(self, request: SampleRequest) -> Iterator[Volume]:
        """Yield one held-out case a seed.

        Raises:
            NotEnoughCasesError: fewer held-out cases than seeds.
        """
        if len(request.cases) < len(request.seeds):
            raise NotEnoughCasesError(
                f"{len(request.cases)} held-out cases are left for {len(request.seeds)} samples: lower --samples"
            )
        for case in request.cases[: len(request.seeds)]:
            yield case.read_volume()

    def reconstruct(self, volume: Volume) -> Volume:
        """Refuse: there is no autoencoder.

        Raises:
            SpecError: always.
        """
        raise SpecError("the model 'real' does not reconstruct")
