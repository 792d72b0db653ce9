from __future__ import annotations

from collections.abc import Callable

from leaderboard.replicate.base import Findings, Finished
from leaderboard.replicate.parts.samples import Samples
from medbench.progress import silent

PART = Samples(kind="samples", id="figure-2", title="samples", run="samples")


def test_a_column_a_model_beside_a_real_volume(finish: Callable[..., Finished], found: Callable[..., Findings]) -> None:
    (picture,) = PART.make(found(finish("alpha", samples=1), finish("beta", samples=1)), silent).pictures
    assert (picture.folder / picture.figure.file).read_bytes().startswith(b"\x89PNG")


def test_no_sample_no_picture(found: Callable[..., Findings]) -> None:
    assert PART.make(found(), silent).notes == ("no model has samples",)
