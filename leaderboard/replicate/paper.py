"""A paper to replicate: a TOML file that names its models, tracks, runs and parts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationError, model_validator

from leaderboard.replicate.parts.beyond import Beyond
from leaderboard.replicate.parts.overlaps import Overlaps
from leaderboard.replicate.parts.pictures import Pictures
from leaderboard.replicate.parts.ratios import Ratios
from leaderboard.replicate.parts.readers import Readers
from leaderboard.replicate.parts.samples import Samples
from leaderboard.replicate.parts.scores import Scores
from leaderboard.replicate.parts.steered import Steered
from medbench.errors import SpecError, UnknownPluginError
from medbench.spec import Spec

AnyPart = Annotated[
    Scores | Samples | Ratios | Readers | Overlaps | Pictures | Steered | Beyond, Field(discriminator="kind")
]
_FOLDER: Final = "papers"


class Track(Spec):
    """A data set that the paper's experiments can be run on.

    Args:
        dataset: registered name, or ``path/to/file.py:Class``.
        presets: a model takes its first preset whose name begins with one of these, in this order.
        protocol: name or file; None: that of the data set.
        samples: how many a run; None: as many as there are held-out cases.
        note: how far it is from the paper's own data.
    """

    dataset: str
    presets: tuple[str, ...]
    protocol: str | None = None
    samples: int | None = None
    note: str


class RunKind(Spec):
    """A kind of run that is made of every model that can.

    Args:
        title: what it is for.
        metrics: registered names.
        by_default: also those metrics that are measured by default.
        conditions: the split whose label maps steer the samples; None: nothing steers.
        downstream: it trains segmenters, and is made only when asked for.
    """

    title: str
    metrics: tuple[str, ...] = ()
    by_default: bool = False
    conditions: str | None = None
    downstream: bool = False


class Paper(Spec):
    """The content of a paper's file.

    Args:
        name: what ``medbench replicate`` calls it.
        title: of the paper.
        cite: authors, year and place.
        data: what its own data are and how they can be had.
        source: reported rows whose source contains this text are the paper's.
        published: model -> its name in the paper's tables; ``real`` -> that of real volumes.
        tracks: by name; the first is the default.
        runs: by name.
        parts: in the paper's order.
    """

    name: str
    title: str
    cite: str
    data: str
    source: str
    published: Mapping[str, str]
    tracks: Mapping[str, Track] = Field(min_length=1)
    runs: Mapping[str, RunKind] = Field(min_length=1)
    parts: tuple[AnyPart, ...]

    @model_validator(mode="after")
    def _check_parts(self) -> Paper:
        ids = [part.id for part in self.parts]
        if doubled := {one for one in ids if ids.count(one) > 1}:
            raise ValueError(f"two parts have the id '{min(doubled)}'")
        for part in self.parts:
            used = {one.run for one in part.overlaps} if isinstance(part, Overlaps) else {part.run}
            if unknown := used - self.runs.keys():
                raise ValueError(f"part '{part.id}' is of the run '{min(unknown)}', which is not described")
        return self

    def track(self, name: str | None) -> tuple[str, Track]:
        """Return a track with its name; the first one for None.

        Raises:
            SpecError: there is none of that name.
        """
        chosen = next(iter(self.tracks)) if name is None else name.lower()
        if chosen not in self.tracks:
            raise SpecError(f"--track {name}: {self.name} has no such track: choose from {', '.join(self.tracks)}")
        return chosen, self.tracks[chosen]


def papers() -> list[Paper]:
    """Return the papers that come with medbench, by name."""
    folder = files("leaderboard.replicate") / _FOLDER
    names = sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return [load_paper(name) for name in names]


def load_paper(name: str) -> Paper:
    """Return a paper by name, or from a TOML file.

    Raises:
        UnknownPluginError: no paper of that name, and no such file.
        SpecError: the file describes no paper.
    """
    shipped = files("leaderboard.replicate") / _FOLDER / f"{name.lower()}.toml"
    source = Path(name) if name.endswith(".toml") else shipped
    try:
        return Paper.model_validate(tomllib.loads(source.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError) as error:
        raise UnknownPluginError(
            f"no paper is called '{name}': 'medbench replicate --list' shows all; a file must end in .toml"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{name} is no TOML file ({error}): compare it with docs/replicate.md") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(place) for place in first["loc"])
        raise SpecError(f"{name}: {where or 'the paper'}: {first['msg'].removeprefix('Value error, ')}") from error
