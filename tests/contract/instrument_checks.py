"""What every feature network and every segmenter must hold, where its weights are here; else how it refuses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import Unavailable
from medbench.imaging.formats.geometry import same_grid

Check = Callable[[Any], None]
_WAYS = re.compile(r"\brun:? |https?://|--masks")


def weights_have_a_hash(instrument: Any) -> None:
    """It enters every fingerprint, so that it must not change from call to call."""
    assert instrument.weights_sha256()
    assert instrument.weights_sha256() == type(instrument)(device="cpu").weights_sha256()


def features_are_what_it_declares(network: Any) -> None:
    """Of its dimension, single precision, finite, twice the same; what it sees stays as it was."""
    seen = _images(network)
    before = seen.copy()
    first, second = network.features(seen), network.features(seen)
    lead = (len(seen),) if network.info.sees == "slices" else ()
    assert first.shape == (*lead, network.info.dimension)
    assert first.dtype == np.float32
    assert np.all(np.isfinite(first))
    assert np.array_equal(first, second)
    assert np.array_equal(seen, before), "it changed what it was given"


def slices_do_not_see_each_other(network: Any) -> None:
    """A slice has the same features alone as among others, but for rounding."""
    if network.info.sees != "slices":
        return
    seen = _images(network)
    together = network.features(seen)
    alone = np.concatenate([network.features(one[None]) for one in seen])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-4 * float(np.abs(together).max()))


def features_tell_images_apart(network: Any) -> None:
    """Another image has other features."""
    seen = _images(network)
    assert not np.allclose(network.features(seen), network.features(np.ascontiguousarray(1 - seen)))


def label_maps_lie_on_the_volume(segmenter: Any) -> None:
    """On its grid, with values that have names, twice the same; the volume stays as it was.

    One that names no region sees no voxels: it stands for masks, and says how to bring them.
    """
    volume, _ = generate(100_001)
    if not segmenter.names():
        _assert_refuses(lambda: segmenter.segment(volume))
        return
    before = volume.content_hash()
    first, second = segmenter.segment(volume), segmenter.segment(volume)
    assert volume.content_hash() == before, "it changed the volume that it was given"
    assert same_grid(volume, first)
    assert first.voxels.dtype == np.uint8
    assert np.array_equal(first.voxels, second.voxels)
    assert set(np.unique(first.voxels)) - {0} <= set(segmenter.names()), "a value without a name"
    assert dict(first.names) == dict(segmenter.names())


def what_is_not_here_can_be_had(instrument: Any) -> None:
    """Without weights it refuses in one line that says how to get them, whatever it is asked first."""
    _assert_refuses(instrument.weights_sha256)
    if hasattr(instrument, "segment"):
        _assert_refuses(lambda: instrument.segment(generate(0, (16, 16, 8))[0]))
    else:
        _assert_refuses(lambda: instrument.features(_images(instrument)))


FEATURE_CHECKS: tuple[Check, ...] = (
    weights_have_a_hash,
    features_are_what_it_declares,
    slices_do_not_see_each_other,
    features_tell_images_apart,
)
SEGMENTER_CHECKS: tuple[Check, ...] = (weights_have_a_hash, label_maps_lie_on_the_volume)


def is_here(instrument: Any) -> bool:
    """Say whether an instrument has all that it works with."""
    try:
        instrument.weights_sha256()
    except Unavailable:
        return False
    return True


def _assert_refuses(use: Callable[[], object]) -> None:
    with pytest.raises(Unavailable) as refusal:
        use()
    assert "\n" not in str(refusal.value)
    assert _WAYS.search(str(refusal.value)), f"{refusal.value}: how can it be had?"


def _images(network: Any) -> np.ndarray:
    """Return what the network sees, scaled to 0..1: three slices, or a volume."""
    scaled = np.random.default_rng(3).random((3, 40, 32) if network.info.sees == "slices" else (32, 24, 16))
    return scaled.astype(np.float32)
