from __future__ import annotations

import base64
import gzip

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import GeometryError
from medbench.imaging.volume import LabelMap, Volume
from medbench.viewer.packing import CHARACTERS_A_VOXEL, Packed, pack, reduced_shape, unfolded

DATA = "tests/data"


def voxels_of(packed: Packed) -> np.ndarray:
    return unfolded(gzip.decompress(base64.b64decode(packed.voxels)), packed.shape)


def test_packing_is_exact_over_the_whole_of_int16() -> None:
    voxels = np.random.default_rng(0).integers(-32768, 32768, (7, 5, 3)).astype(np.int16)
    voxels[0, 0, 0], voxels[1, 0, 0] = -32768, 32767
    packed = pack(Volume(voxels))
    assert np.array_equal(voxels_of(packed), voxels)
    assert (packed.shape, packed.is_reduced, packed.labels) == ((7, 5, 3), False, None)


def test_fractions_of_hu_are_rounded() -> None:
    assert voxels_of(pack(Volume(np.full((2, 2, 2), -999.6, np.float32)))).max() == -1000


def test_labels_are_packed_with_their_names() -> None:
    volume, labels = generate(1, (32, 24, 8))
    packed = pack(volume, labels)
    assert packed.labels is not None
    assert gzip.decompress(base64.b64decode(packed.labels)) == labels.voxels.tobytes(order="F")
    assert packed.regions == labels.names


def test_labels_of_another_grid_are_refused() -> None:
    volume, _ = generate(1, (16, 16, 8))
    with pytest.raises(GeometryError, match="another grid"):
        pack(volume, LabelMap(np.zeros((16, 16, 4), np.uint8), volume.affine))


def test_too_many_voxels_are_averaged_over_the_same_field_of_view() -> None:
    volume, labels = generate(1, (64, 64, 32))
    packed = pack(volume, labels, most_voxels=20_000)
    assert packed.is_reduced
    assert packed.full_shape == (64, 64, 32)
    extent = np.multiply(packed.shape, packed.spacing_mm)
    assert extent == pytest.approx(np.multiply(volume.shape, volume.spacing_mm), rel=1e-6)
    assert voxels_of(packed).mean() == pytest.approx(volume.voxels.mean(), abs=10)


@pytest.mark.parametrize("most", [1, 1e5, 4e6, 1e9])
def test_a_reduced_shape_keeps_to_its_bound_and_is_about_cubic(most: float) -> None:
    shape, spacing = (512, 512, 256), (0.7, 0.7, 1.0)
    reduced = reduced_shape(shape, spacing, most)
    assert np.prod(reduced) <= most
    steps = np.multiply(shape, spacing) / reduced
    if most >= 1e5 and reduced != shape:
        assert steps.max() < 1.6 * steps.min()


def test_a_real_scan_takes_no_more_than_what_is_reckoned_with() -> None:
    for name in ("ct_abdomen_pelvis", "cta_heart"):
        volume = Volume.read(f"{DATA}/{name}.nii.gz")
        assert pack(volume).characters <= CHARACTERS_A_VOXEL * volume.voxels.size
