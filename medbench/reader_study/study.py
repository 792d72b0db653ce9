"""``study.json``: everything about a packet that its readers may know."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, PositiveInt, StringConstraints, model_validator

from medbench.reader_study.criteria import Criterion, Design, check_criteria
from medbench.spec import Length, Spec, canonical_json

Format = Literal["nifti", "dicom"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Z]{1,2}\d{3,5}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class WindowPreset(Spec):
    """A window of the viewer, by its centre and width in HU."""

    name: str
    level_hu: float
    width_hu: Length


WINDOWS: Final = (
    WindowPreset(name="lung", level_hu=-600, width_hu=1500),
    WindowPreset(name="mediastinum", level_hu=40, width_hu=400),
    WindowPreset(name="bone", level_hu=500, width_hu=2000),
    WindowPreset(name="vessel", level_hu=200, width_hu=600),
)


class Pair(Spec):
    """The two cases of a forced choice, by the side on which they are shown."""

    left: Name
    right: Name


@dataclass(frozen=True)
class Trial:
    """What is shown and answered at once.

    Args:
        id: of the case (rating) or the pair (2afc).
        cases: one case, or the left and the right one of a pair.
        training: shown before the first trial that counts, and never scored.
    """

    id: str
    cases: tuple[str, ...]
    training: bool


class Study(Spec):
    """The content of ``study.json``. Nothing in it depends on where a case comes from."""

    model_config = ConfigDict(populate_by_name=True)

    schema_version: Literal[1] = Field(1, alias="schema")
    title: str
    design: Design
    format: Format
    cases: PositiveInt = Field(description="how many are read, without those of the training")
    shape: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(description="voxels along x, y, z of every case")
    spacing_mm: tuple[Length, Length, Length]
    windows: tuple[WindowPreset, ...] = Field(WINDOWS, min_length=1)
    criteria: tuple[Criterion, ...] = Field(min_length=1)
    pairs: dict[Name, Pair] = Field({}, description="2afc: the trials")
    training: tuple[Name, ...] = Field((), description="the trials that come first, in this order")
    orders: tuple[tuple[Name, ...], ...] = Field(min_length=1, description="a shuffled order of the trials a reader")
    checksums: dict[Name, Sha256] = Field(min_length=1, description="SHA-256 of each case's file or series")
    commitment: Sha256 = Field(description="SHA-256 of the key file")

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_criteria(self.criteria)
        paired = self.design == "2afc"
        if paired != (self.criteria[0].kind == "choice"):
            raise ValueError(f"design {self.design} does not go with the criterion '{self.criteria[0].id}'")
        if paired != bool(self.pairs):
            raise ValueError("design 2afc has pairs, and no other has")
        known = self.trials
        if shown := {case for pair in self.pairs.values() for case in (pair.left, pair.right)} - self.checksums.keys():
            raise ValueError(f"case {min(shown)} of a pair has no checksum")
        if missing := set(self.training) - known.keys():
            raise ValueError(f"training trial {min(missing)} is none of the trials")
        counted = sorted(name for name, trial in known.items() if not trial.training)
        if any(sorted(order) != counted for order in self.orders):
            raise ValueError("every order holds every trial once")
        if self.cases != len({case for name in counted for case in known[name].cases}):
            raise ValueError("the number of cases is not that of the checksums")
        return self

    @cached_property
    def trials(self) -> Mapping[str, Trial]:
        """Every trial by id, also those of the training."""
        cases: dict[str, tuple[str, ...]] = {name: (pair.left, pair.right) for name, pair in self.pairs.items()}
        cases = cases or {case: (case,) for case in self.checksums}
        return {name: Trial(name, shown, name in self.training) for name, shown in cases.items()}

    def order(self, place: int) -> tuple[Trial, ...]:
        """Return what the reader at a place (from 0) is shown, in order: the training, then the trials that count."""
        trials = self.trials
        return tuple(trials[name] for name in (*self.training, *self.orders[place]))

    def answered(self, answers: Mapping[str, str]) -> bool:
        """Return whether every criterion has an answer."""
        return all(criterion.id in answers for criterion in self.criteria)

    def digest(self) -> str:
        """Return the SHA-256 over everything but the commitment; the key file holds it, and so seals the study."""
        document = self.model_dump(mode="json", by_alias=True, exclude={"commitment"})
        return hashlib.sha256(canonical_json(document).encode()).hexdigest()


def columns(study: Study) -> tuple[str, ...]:
    """Return the columns of ``form.csv`` and of ``ratings/READER.csv``."""
    asked: Iterable[str] = (criterion.id for criterion in study.criteria)
    if study.design == "2afc":
        return ("reader", "pair", "left", "right", *asked, "seconds")
    return ("reader", "case", *asked, "comment", "seconds")
