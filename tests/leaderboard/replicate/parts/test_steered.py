from __future__ import annotations

from collections.abc import Callable

from leaderboard.replicate.base import Findings, Finished
from leaderboard.replicate.parts.steered import Steered
from medbench.progress import silent

PART = Steered(kind="steered", id="figure-a2", title="steered", run="steered")


def test_a_label_map_stands_beside_the_sample_made_from_it(
    finish: Callable[..., Finished], found: Callable[..., Findings]
) -> None:
    shown = PART.make(found(by_kind={"steered": [finish("alpha", kind="steered", samples=1)]}), silent)
    (picture,) = shown.pictures
    assert (picture.folder / picture.figure.file).read_bytes().startswith(b"\x89PNG")


def test_without_label_maps_there_is_no_picture(found: Callable[..., Findings]) -> None:
    assert PART.make(found(), silent).notes == ("no model was steered by label maps",)
