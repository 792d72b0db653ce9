"""Radiomics features against direct computations with NumPy and SciPy, on a region of random shape."""

import itertools
import logging
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage, stats

from medbench.datasets.phantom.dataset import generate
from medbench.imaging.volume import Volume
from medbench.metrics.functional.radiomics import body_mask, radiomics, settings
from medbench.spec import Window

BINS_OF = 25
DIRECTIONS = [d for d in itertools.product((-1, 0, 1), repeat=3) if d > (0, 0, 0)]


def ball(seed=0, *, size=18):
    """A textured ball of tissue in air: all of it lies above -500 HU, hence in the body."""
    rng = np.random.default_rng(seed)
    hu = np.full((size, size, size), -1000, np.int16)
    index = np.indices(hu.shape) - (size - 1) / 2
    inside = np.square(index / np.array([7, 6, 8])[:, None, None, None]).sum(axis=0) <= 1
    smooth = ndimage.gaussian_filter(rng.normal(0, 1, hu.shape), 1)
    hu[inside] = np.rint(40 + 150 * (smooth / smooth.std()))[inside].clip(-400, 1000).astype(np.int16)
    return hu, inside


def features(hu, window=Window()):  # noqa: B008  frozen
    found = radiomics(Volume(hu), window)
    return dict(zip(found["names"].tolist(), found["values"].tolist())), found


def shifted(voxels, direction):
    """Return each voxel's neighbour in a direction; NaN beyond the edge."""
    padded = np.pad(voxels, 1, constant_values=np.nan)
    return padded[tuple(slice(1 + d, padded.shape[axis] - 1 + d) for axis, d in enumerate(direction))]


@pytest.fixture(scope="module")
def case():
    hu, inside = ball()
    levels = np.where(inside, np.floor((hu + 1000.0) / BINS_OF) + 1, np.nan)
    return features(hu)[0], hu[inside].astype(float), levels


def test_intensities_are_those_of_numpy(case):
    found, hu, _ = case
    p10, p25, median, p75, p90 = np.percentile(hu, (10, 25, 50, 75, 90))
    expected = {
        "stat_mean": hu.mean(),
        "stat_var": hu.var(),
        "stat_skew": stats.skew(hu),
        "stat_kurt": stats.kurtosis(hu),
        "stat_median": median,
        "stat_min": hu.min(),
        "stat_max": hu.max(),
        "stat_p10": p10,
        "stat_p90": p90,
        "stat_iqr": p75 - p25,
        "stat_energy": np.square(hu).sum(),
        "stat_rms": np.sqrt(np.square(hu).mean()),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4, abs=0.6 if "p" in name.split("_")[1] else 1e-3), name


def test_histogram_entropy_is_that_of_the_bins(case):
    found, _, levels = case
    shares = np.unique(levels[~np.isnan(levels)], return_counts=True)[1] / np.sum(~np.isnan(levels))
    assert found["ih_entropy"] == pytest.approx(-(shares * np.log2(shares)).sum())
    assert found["ih_uniformity"] == pytest.approx(np.square(shares).sum())


def test_cooccurrence_is_that_of_all_pairs_of_neighbours(case):
    """GLCM, 13 directions both ways merged (IBSI: IAZD), at distance 1."""
    found, _, levels = case
    pairs = []
    for direction in DIRECTIONS:
        other = shifted(levels, direction)
        both = ~np.isnan(levels) & ~np.isnan(other)
        pairs += [(levels[both], other[both]), (other[both], levels[both])]
    a, b = (np.concatenate(side) for side in zip(*pairs))
    _, counts = np.unique(np.stack([a, b]), axis=1, return_counts=True)
    p = counts / counts.sum()
    assert found["cm_contrast"] == pytest.approx(np.square(a - b).mean())
    assert found["cm_diff_avg"] == pytest.approx(np.abs(a - b).mean())
    assert found["cm_corr"] == pytest.approx(np.corrcoef(a, b)[0, 1])
    assert found["cm_energy"] == pytest.approx(np.square(p).sum())
    assert found["cm_joint_entr"] == pytest.approx(-(p * np.log2(p)).sum())
    assert found["cm_inv_diff"] == pytest.approx((1 / (1 + np.abs(a - b))).mean())


def test_runs_are_counted_along_all_directions(case):
    """A run begins where the voxel before it has another level: run percentage is runs over voxels and directions."""
    found, _, levels = case
    inside = ~np.isnan(levels)
    begins = sum((inside & (shifted(levels, direction) != levels)).sum() for direction in DIRECTIONS)
    assert found["rlm_r_perc"] == pytest.approx(begins / (len(DIRECTIONS) * inside.sum()))


def test_zones_are_connected_voxels_of_one_level(case):
    found, _, levels = case
    zones = []
    for level in np.unique(levels[~np.isnan(levels)]):
        parts, _ = ndimage.label(levels == level, structure=np.ones((3, 3, 3)))
        zones += np.bincount(parts.reshape(-1))[1:].tolist()
    zones = np.array(zones, dtype=float)
    assert found["szm_z_perc"] == pytest.approx(len(zones) / zones.sum())
    assert found["szm_sze"] == pytest.approx((1 / zones**2).mean())
    assert found["szm_lze"] == pytest.approx((zones**2).mean())


def test_neighbourhood_coarseness_is_that_of_grey_tone_differences(case):
    """NGTDM (IBSI: QCDE) with every voxel that has a neighbour in the region."""
    found, _, levels = case
    around = [
        shifted(levels, direction) for direction in itertools.product((-1, 0, 1), repeat=3) if direction != (0, 0, 0)
    ]
    counts = np.sum([~np.isnan(one) for one in around], axis=0)
    valid = ~np.isnan(levels) & (counts > 0)
    difference = np.abs(levels - np.nansum(around, axis=0) / np.maximum(counts, 1))[valid]
    kept = levels[valid]
    weighted = sum((kept == level).mean() * difference[kept == level].sum() for level in np.unique(kept))
    assert found["ngt_coarseness"] == pytest.approx(1 / weighted)


def test_features_are_named_once_and_the_redundant_ones_are_left_out(case):
    names = list(case[0])
    assert len(names) == len(set(names)) == 77
    assert not {"stat_cov", "stat_qcod", "cm_sum_avg", "cm_dissimilarity", "cm_clust_tend", "ih_mean"} & set(names)
    assert not any("3d" in name or "fbs" in name for name in names)


def test_the_body_is_the_largest_part_with_its_holes_filled():
    hu, inside = ball()
    hu[8:11, 8:11, 8:11] = -900  # a lung
    hu[0] = 0  # a table beside the body, smaller than it
    np.testing.assert_array_equal(body_mask(hu), inside)


def test_a_volume_without_body_is_taken_whole():
    air = np.random.default_rng(0).integers(-1000, -800, (12, 12, 12)).astype(np.int16)
    found, raw = features(air)
    assert raw["body_voxels"] == 0
    assert found["stat_mean"] == pytest.approx(air.mean(), rel=1e-4)


def test_only_the_window_counts():
    hu, _ = ball()
    spoilt = hu.copy()
    spoilt[9, 9, 9] = hu[9, 9, 8] = 1000
    hu[9, 9, 9], spoilt[9, 9, 8] = 3000, 1000
    assert features(hu)[0] == features(spoilt)[0]
    assert features(hu, Window(low=-1000, high=2000))[0]["stat_max"] == 2000


def test_long_axes_are_brought_to_128_voxels():
    hu = np.full((10, 10, 256), 0, np.int16)
    hu[::2] = 100
    found = radiomics(Volume(hu, np.diag([1, 1, 0.5, 1])), Window())
    np.testing.assert_allclose(found["spacing_mm"], (1, 1, 1))
    assert found["body_voxels"] == 10 * 10 * 128


def test_a_constant_region_gives_nan_not_a_warning():
    found, _ = features(np.full((9, 9, 9), 40, np.int16))
    assert (found["stat_mean"], found["stat_var"], found["cm_contrast"]) == (40, 0, 0)
    assert [name for name, value in found.items() if np.isnan(value)] == ["cm_inv_var"]


def test_settings_change_with_the_window_alone():
    assert settings(Window()) == settings(Window())
    assert settings(Window()) != settings(Window(high=2000))


def test_nothing_is_printed_logged_or_written(tmp_path):
    """In a fresh interpreter, since logging.basicConfig acts only once; stdout is where a command's JSON goes."""
    script = (
        "import logging, numpy as np\n"
        "from medbench.metrics.functional.radiomics import radiomics\n"
        "from medbench.spec import Window\n"
        "from medbench.imaging.volume import Volume\n"
        "hu = np.random.default_rng(0).integers(-1000, 800, (12, 12, 12)).astype(np.int16)\n"
        "radiomics(Volume(hu), Window())\n"
        "assert not logging.getLogger().handlers\n"
    )
    ran = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []
    assert not logging.getLogger("mirp").handlers


def test_a_phantom_has_every_feature():
    volume, _ = generate(0, (32, 32, 16))
    found, raw = features(volume.voxels)
    assert np.all(np.isfinite(list(found.values())))
    assert 0.2 < raw["body_voxels"] / volume.voxels.size < 0.7
