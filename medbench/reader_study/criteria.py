"""What a reader is asked: criteria, whose options are words, in a TOML file that users edit."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from medbench.errors import SpecError
from medbench.spec import Spec

Design = Literal["rating", "2afc"]
Kind = Literal["realism", "confidence", "scale", "choice"]

COLUMNS: Final = frozenset({"reader", "case", "pair", "left", "right", "comment", "seconds"})
"""Columns that every table of ratings has; no criterion may bear such a name."""

_FIXED: Final[Mapping[str, tuple[str, ...]]] = {"realism": ("real", "synthetic"), "choice": ("left", "right")}
SHIPPED: Final = ("rating", "2afc", "khader")


class Option(Spec):
    """One answer: what is stored, and what the reader sees."""

    value: str
    text: str = Field(min_length=1)


def _listed(options: Any) -> Any:
    """Return a table of a TOML file (value = "text") as the list that is validated."""
    return [{"value": value, "text": text} for value, text in options.items()] if isinstance(options, dict) else options


class Criterion(Spec):
    """One question with its options.

    Kinds: ``realism`` (options ``real`` and ``synthetic``), ``confidence`` in that answer and ``scale`` (whole numbers,
    rising, the highest is best), ``choice`` between the ``left`` and the ``right`` case of a pair.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")
    kind: Kind = "scale"
    question: str = Field(min_length=1)
    options: Annotated[tuple[Option, ...], BeforeValidator(_listed), Field(min_length=2)]

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if self.id in COLUMNS:
            raise ValueError(f"'{self.id}' is a column of every table: choose another id")
        if self.kind in _FIXED:
            if self.values != _FIXED[self.kind]:
                raise ValueError(f"the options of '{self.id}' must be {' and '.join(_FIXED[self.kind])}, in this order")
        elif not all(value.isascii() and value.isdigit() for value in self.values):
            raise ValueError(f"the options of '{self.id}' must be whole numbers, the highest best")
        elif list(map(int, self.values)) != sorted(set(map(int, self.values))):
            raise ValueError(f"the options of '{self.id}' must rise")
        return self

    @property
    def values(self) -> tuple[str, ...]:
        """The answers as they are stored, in order."""
        return tuple(option.value for option in self.options)


class Criteria(Spec):
    """The content of a criteria file."""

    title: str = Field(min_length=1)
    criteria: tuple[Criterion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_kinds(self) -> Self:
        check_criteria(self.criteria)
        return self

    @property
    def design(self) -> Design:
        """The design that the criteria serve."""
        return "2afc" if self.criteria[0].kind == "choice" else "rating"


def check_criteria(criteria: tuple[Criterion, ...]) -> None:
    """Refuse criteria that contradict each other.

    Raises:
        ValueError: says which.
    """
    ids, kinds = [one.id for one in criteria], [one.kind for one in criteria]
    if doubled := {name for name in ids if ids.count(name) > 1}:
        raise ValueError(f"two criteria are called '{min(doubled)}'")
    if "choice" in kinds and len(kinds) > 1:
        raise ValueError("a choice between two cases stands alone")
    if any(kinds.count(kind) > 1 for kind in ("realism", "confidence")):
        raise ValueError("one criterion of kind 'realism' and one of kind 'confidence' at most")
    if "confidence" in kinds and "realism" not in kinds:
        raise ValueError("a criterion of kind 'confidence' needs one of kind 'realism'")


def load_criteria(name: str) -> Criteria:
    """Return the criteria of a TOML file, or of one that is shipped: ``rating``, ``2afc`` or ``khader``.

    Raises:
        SpecError: no such file, or one that is no criteria file.
    """
    shipped = name.lower() in SHIPPED
    source = files("medbench.reader_study") / "criteria" / f"{name.lower()}.toml" if shipped else Path(name)
    try:
        return Criteria.model_validate(tomllib.loads(source.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"--criteria {name}: no such file: give a TOML file, or one of {', '.join(SHIPPED)}") from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{name} is no TOML file ({error}): compare it with docs/reader-study.md") from error
    except ValidationError as error:
        raise SpecError(f"{name}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """Return the first thing that a validation found wrong: where, and what."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return ": ".join(filter(None, (where, first["msg"].removeprefix("Value error, "))))
