"""A track: the protocol of a data set, with one canonical grid."""

from __future__ import annotations

import pytest

from medbench.errors import SpecError
from medbench.pipeline.options import TrackOptions
from medbench.pipeline.track import Track


def test_a_data_set_brings_its_protocol_and_grid() -> None:
    track = Track.open(TrackOptions(dataset="phantom", device="cpu"))
    assert track.dataset is not None
    assert (track.name, track.device, track.protocol.grid) == ("phantom", "cpu", track.dataset.grid)
    assert track.protocol.name == track.dataset.info.protocol


def test_folders_have_the_grid_that_is_asked_for_or_none() -> None:
    bare = Track.open(TrackOptions(dataset=None))
    assert (bare.name, bare.dataset, bare.protocol.grid) == ("folder", None, None)
    shaped = Track.open(TrackOptions(dataset=None, shape=(8, 8, 4)))
    assert shaped.protocol.grid is not None
    assert (shaped.protocol.grid.shape, shaped.protocol.grid.fit) == ((8, 8, 4), "resize")
    with pytest.raises(SpecError, match="both give a grid"):
        Track.open(TrackOptions(dataset=None, shape=(8, 8, 4), protocol="maisi-2.5d"))
