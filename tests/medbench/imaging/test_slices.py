import numpy as np
import pytest

from medbench.errors import SpecError
from medbench.imaging.slices import centre_range, plane_slices, plane_view
from medbench.spec import SliceProtocol, Window

SHAPE = (4, 5, 6)
CODED = sum(10**power * index for power, index in zip((2, 1, 0), np.indices(SHAPE))).astype(np.int16)
MINMAX = SliceProtocol(normalisation="minmax_per_plane")


def stacked(voxels, plane, protocol, window=Window(), **options):  # noqa: B008  frozen
    return np.concatenate(list(plane_slices(voxels, plane, protocol=protocol, window=window, **options)))


@pytest.mark.parametrize(
    ("plane", "shape", "index", "voxel"),
    [("xy", (6, 4, 5), (5, 1, 2), 125), ("yz", (4, 5, 6), (3, 1, 2), 312), ("zx", (5, 4, 6), (4, 1, 2), 142)],
)
def test_axes_of_a_plane(plane, shape, index, voxel):
    view = plane_view(CODED, plane)
    assert view.shape == shape
    assert view[index] == voxel
    assert np.shares_memory(view, CODED)


@pytest.mark.parametrize(
    ("slices", "ratio", "first", "stop"),
    [(512, 0.4, 153, 358), (128, 0.4, 38, 89), (40, 0.4, 12, 28), (90, 0.4, 27, 62), (7, None, 0, 7), (7, 1.0, 0, 7)],
)
def test_centre_range_uses_the_reference_expression(slices, ratio, first, stop):
    assert centre_range(slices, ratio) == range(first, stop)


def test_window_is_fixed():
    hu = np.array([-3000, -1000, 0, 500, 3000], dtype=np.int16).reshape(1, 1, 5)
    np.testing.assert_allclose(stacked(hu, "xy", SliceProtocol()).ravel(), [0, 0, 0.5, 0.75, 1])
    lung = Window(low=-1000, high=0)
    np.testing.assert_allclose(stacked(hu, "xy", SliceProtocol(), lung).ravel(), [0, 0, 1, 1, 1])


def test_minmax_is_that_of_the_selected_slices_of_the_plane():
    hu = np.zeros((8, 8, 8), dtype=np.float32)
    hu[4, 4, 4] = 400  # among the selected slices of every plane
    hu[0, 4, 4] = 2000  # outside the selected yz slices, inside the others
    half = SliceProtocol(normalisation="minmax_per_plane", centre_ratio=0.5)
    assert stacked(hu, "yz", half).max() == 1
    assert stacked(hu, "xy", half)[2, 4, 4] == pytest.approx(0.4)


def test_minmax_matches_the_formula_after_clipping():
    hu = np.random.default_rng(0).normal(0, 900, (6, 7, 8)).astype(np.float32)
    clipped = hu.clip(-1000, 1000)
    expected = (clipped - clipped.min()) / (clipped.max() - clipped.min() + np.float32(1e-10))
    np.testing.assert_array_equal(stacked(hu, "yz", MINMAX), expected)


@pytest.mark.parametrize("normalisation", ["minmax_per_plane", "minmax_per_slice"])
def test_a_constant_volume_is_zero_not_nan(normalisation):
    protocol = SliceProtocol(normalisation=normalisation)
    assert not stacked(np.full(SHAPE, -1000, dtype=np.int16), "xy", protocol).any()


def test_minmax_per_slice_scales_every_slice_by_itself():
    hu = np.random.default_rng(0).normal(0, 900, (6, 7, 8)).astype(np.float32)
    slices = stacked(hu, "zx", SliceProtocol(normalisation="minmax_per_slice"), chunk_pixels=100)
    np.testing.assert_array_equal(slices.min(axis=(1, 2)), 0)
    np.testing.assert_allclose(slices.max(axis=(1, 2)), 1, rtol=1e-6)
    clipped = hu[:, 2].clip(-1000, 1000)
    np.testing.assert_allclose(slices[2], (clipped - clipped.min()) / np.ptp(clipped), rtol=1e-5)


@pytest.mark.parametrize("plane", ["xy", "yz", "zx"])
def test_chunks_are_bounded_and_change_nothing(plane):
    chunks = list(plane_slices(CODED, plane, protocol=MINMAX, window=Window(), chunk_pixels=60))
    assert max(chunk.size for chunk in chunks) <= 60
    assert all(chunk.dtype == np.float32 for chunk in chunks)
    np.testing.assert_array_equal(np.concatenate(chunks), stacked(CODED, plane, MINMAX))


def test_voxels_stay_untouched():
    before = CODED.copy()
    stacked(CODED, "xy", SliceProtocol())
    np.testing.assert_array_equal(CODED, before)


def test_a_ratio_that_leaves_nothing_is_refused():
    with pytest.raises(SpecError, match=r"0\.1 leaves no xy slice"):
        stacked(CODED[..., :3], "xy", SliceProtocol(centre_ratio=0.1))
