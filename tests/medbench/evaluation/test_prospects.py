"""What is known to be impossible is said first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from medbench.errors import NoNumberError, NotEnoughCasesError
from medbench.evaluation.cache import Cache
from medbench.evaluation.instruments import Instruments
from medbench.evaluation.prospects import Prospects
from medbench.pipeline.options import resolve_protocol
from medbench.progress import silent

ENOUGH: dict[str, Any] = {
    "real": 8,
    "synthetic": 8,
    "held_out": 4,
    "masks": True,
    "real_masks": True,
    "reconstructs": True,
}


@pytest.fixture
def instruments(tmp_path: Path) -> Instruments:
    protocol = resolve_protocol("folder-2.5d", grid=None, segmenter="precomputed")
    return Instruments(protocol, "cpu", Cache(tmp_path), silent, tmp_path)


@pytest.mark.parametrize(
    ("metric", "lacking", "words"),
    [
        ("fid3d", {"synthetic": 1}, "the sample folder has only 1 volume"),
        ("prdc25d", {"real": 3}, "prdc25d needs"),
        ("rvr", {"masks": False}, "the samples have no masks"),
        ("rvr", {"real_masks": False}, "the real volumes have no masks"),
        ("adherence", {"masks": False}, "the samples have no masks"),
        ("downstream", {"held_out": 0}, "no held-out real volumes"),
        ("reconstruction", {"reconstructs": False}, "there is no autoencoder"),
    ],
)
def test_what_lacks_is_named(metric: str, lacking: dict[str, Any], words: str, instruments: Instruments) -> None:
    Prospects(**ENOUGH).require([metric], instruments, silent)
    with pytest.raises((NoNumberError, NotEnoughCasesError), match=words):
        Prospects(**ENOUGH | lacking).require([metric], instruments, silent)


def test_one_metric_that_can_be_had_is_enough(instruments: Instruments) -> None:
    Prospects(**ENOUGH | {"masks": False}).require(["fid3d", "rvr"], instruments, silent)
