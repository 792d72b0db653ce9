import numpy as np
import pytest

from medbench.errors import Unavailable
from medbench.imaging.volume import Volume
from medbench.segmenters.precomputed import PrecomputedSegmenter


def test_a_volume_without_a_mask_is_refused_with_the_mend():
    with pytest.raises(Unavailable, match=r"--masks and --real-masks"):
        PrecomputedSegmenter(device="cpu").segment(Volume(np.zeros((2, 3, 4), dtype=np.int16)))


def test_it_has_no_names_and_no_weights():
    segmenter = PrecomputedSegmenter(device="cpu")
    assert segmenter.names() == {}
    assert len(segmenter.weights_sha256()) == 64
    assert eval(repr(segmenter)) == segmenter
