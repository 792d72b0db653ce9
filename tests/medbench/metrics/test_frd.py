import numpy as np
import pytest
from scipy import linalg, ndimage

from medbench.datasets.phantom.dataset import generate
from medbench.errors import Unavailable
from medbench.imaging.volume import Volume
from medbench.metrics.frd import Frd, radiomics_distance
from medbench.metrics.functional.frechet import frechet_between
from medbench.metrics.functional.radiomics import radiomics
from medbench.spec import Window

SHAPE = (20, 20, 10)
BLUR, NOISE, SHIFT = (0.3, 0.6, 1.2), (10, 40, 160), (20, 80, 320)
DAMAGES = {
    "blur": (BLUR, lambda hu, much, rng: ndimage.gaussian_filter(hu, much)),
    "noise": (NOISE, lambda hu, much, rng: hu + rng.normal(0, much, hu.shape)),
    "shift": (SHIFT, lambda hu, much, rng: hu + much),
}


class FeatureSide:
    """A side whose features are given: a stand-in for what ``derived`` caches."""

    def __init__(self, features, *, names=None, subjects=None, body=100, spacing=1.0):
        self.features = np.asarray(features, dtype=float)
        self.ids = [f"v{index:03}" for index in range(len(self.features))]
        self.subjects = subjects or self.ids
        self.names = names or [f"stat_{index}" for index in range(self.features.shape[1])]
        self.body, self.spacing = body, spacing

    def derived(self, name, compute, *, of, settings):
        for row in self.features:
            yield {
                "names": np.array(self.names),
                "values": row,
                "body_voxels": np.array(self.body),
                "spacing_mm": np.full(3, self.spacing),
            }


def normal(count, *, seed, dimension=4, shift=0.0, scale=1.0):
    return np.random.default_rng(seed).normal(5 + shift, scale, (count, dimension))


@pytest.fixture
def measure(make_evidence):
    def measured(real, synthetic, **options):
        sides = [side if hasattr(side, "derived") else FeatureSide(side) for side in (real, synthetic)]
        return Frd().measure(make_evidence(*sides, **options))

    return measured


def phantoms(seeds, *, damage=None, much=0.0):
    rng = np.random.default_rng(7)
    scans = []
    for seed in seeds:
        volume, _ = generate(seed, SHAPE)
        hu = volume.voxels.astype(np.float32)
        hu = DAMAGES[damage][1](hu, much, rng) if damage else hu
        scans.append(Volume(np.rint(hu).astype(np.int16), volume.affine))
    return scans


def seen(scans):
    """Features of volumes, computed once a test."""
    found = [radiomics(scan, Window()) for scan in scans]
    return FeatureSide([one["values"] for one in found], names=found[0]["names"].tolist())


@pytest.fixture(scope="module")
def real():
    return seen(phantoms(range(3)))


@pytest.mark.parametrize("damage", DAMAGES)
def test_more_damage_scores_worse(damage, real, measure):
    values = [
        measure(real, seen(phantoms(range(3), damage=damage, much=much)), intervals=False).value
        for much in DAMAGES[damage][0]
    ]
    assert 0 < values[0] < values[1] < values[2]
    assert values[2] > 10 * values[0]


def test_phantoms_against_themselves_score_zero(make_side, make_evidence):
    side = make_side(3, scans=phantoms(range(3)))
    found = Frd().measure(make_evidence(side, side))
    assert found.value == pytest.approx(0, abs=1e-9)
    assert "has no logarithm" in found.skipped["log"]
    assert found.scope["features"] + len(found.scope["dropped"]) == 77
    assert list(found.table.columns[:5]) == ["side", "id", "subject", "body_voxels", "distance_to_real_mean"]
    assert found.table["stat_mean"].between(-600, 100).all()
    assert "3 volumes in" in found.notes[-1]


def test_the_distance_is_that_of_gaussians_over_standardised_features():
    """Reference: the formula with SciPy's matrix root, on well-conditioned covariances."""
    real, synthetic = normal(60, seed=0), normal(80, seed=1, shift=0.7, scale=1.5) @ np.diag([1, 2, 0.5, 1])
    a, b = ((side - real.mean(0)) / real.std(0, ddof=1) for side in (real, synthetic))
    ca, cb = np.cov(a.T), np.cov(b.T)
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(ca + cb - 2 * linalg.sqrtm(ca @ cb).real)
    assert radiomics_distance(real=real, synthetic=synthetic) == pytest.approx(expected, rel=1e-9)


def test_a_shift_of_two_standard_deviations_in_one_feature_scores_four(measure):
    real = normal(30, seed=0)
    synthetic = real + np.array([2 * real[:, 0].std(ddof=1), 0, 0, 0])
    found = measure(real, synthetic)
    assert found.value == pytest.approx(4)
    assert found.parts["log"] == pytest.approx(np.log(4))


def test_units_do_not_matter(measure):
    real, synthetic = normal(20, seed=0), normal(20, seed=1, shift=1)
    units = np.array([1e6, 1e-3, 1, 42])
    assert measure(real * units, synthetic * units).value == pytest.approx(measure(real, synthetic).value)


def test_swapped_sides_score_differently_since_the_real_side_sets_the_scale(measure):
    real, synthetic = normal(200, seed=0), normal(200, seed=1, shift=3, scale=3)
    expected = 4 * ((3 / 1) ** 2 + (3 - 1) ** 2)  # four features: shift and spread in real SDs
    assert measure(real, synthetic).value == pytest.approx(expected, rel=0.15)
    assert measure(synthetic, real).value == pytest.approx(expected / 9, rel=0.15)


def test_parts_are_the_distances_of_each_family(measure):
    names = ["stat_mean", "ih_entropy", "cm_contrast", "szm_sze"]
    real, synthetic = normal(30, seed=0), normal(30, seed=1) + np.array([0, 0, 5, 0])
    found = measure(FeatureSide(real, names=names), FeatureSide(synthetic, names=names))
    assert set(found.parts) == {"log", "statistics", "glcm", "glszm"}
    assert set(found.skipped) == {"glrlm", "ngtdm"}
    assert found.parts["glcm"] == pytest.approx(radiomics_distance(real=real[:, 2:3], synthetic=synthetic[:, 2:3]))
    assert found.parts["glcm"] > 10 * max(found.parts["statistics"], found.parts["glszm"])


def test_features_that_cannot_be_compared_are_named_and_enter_the_scope(measure):
    real, synthetic = normal(12, seed=0), normal(12, seed=1)
    whole = measure(real[:, :2], synthetic[:, :2])
    real[:, 2] = 7
    synthetic[4, 3] = np.nan
    found = measure(real, synthetic)
    assert found.value == whole.value
    assert found.scope["dropped"] == ["stat_2", "stat_3"]
    assert found.scope != whole.scope
    assert "1 features left out, constant among the real volumes: stat_2" in found.notes
    assert "1 features left out, not defined for every volume: stat_3" in found.notes


def test_no_feature_left_is_unavailable(measure):
    with pytest.raises(Unavailable, match="no radiomics feature is defined for all volumes and varies"):
        measure(np.ones((6, 3)), normal(6, seed=1, dimension=3))


def test_absent_bodies_and_uneven_spacings_are_noted(measure):
    real, synthetic = normal(9, seed=0), normal(8, seed=1)
    clean = measure(real, synthetic)
    assert clean.notes == ()
    found = measure(FeatureSide(real), FeatureSide(synthetic, body=0, spacing=1.5))
    assert found.value == clean.value
    assert "8 synthetic volumes show no body: their features are those of the whole volume" in found.notes
    assert "the volumes differ in spacing: their textures differ by that alone" in found.notes


def test_interval_is_of_subjects_and_comes_with_replicates(measure):
    real, synthetic = normal(24, seed=0), normal(24, seed=1, shift=1)
    alone = measure(real, synthetic)
    assert alone.ci95[0] < alone.value < alone.ci95[1]
    assert "20 real and 20 synthetic groups" in alone.ci_method
    assert {side: len(one.values) for side, one in alone.replicates.items()} == {"real": 20, "synthetic": 20}
    left_out = radiomics_distance(real=np.delete(real, [0, 20], axis=0), synthetic=synthetic)
    assert alone.replicates["real"].values[0] == pytest.approx(left_out)
    twice = [f"p{index // 3}" for index in range(24)]
    grouped = measure(FeatureSide(real, subjects=twice), FeatureSide(synthetic, subjects=twice))
    assert grouped.value == alone.value
    assert "8 real and 8 synthetic groups" in grouped.ci_method


def test_interval_holds_the_value_of_many_repetitions(measure):
    """Coverage of the mean of the estimator at these counts; its bias is the floor's business."""
    found = [measure(normal(20, seed=2 * seed), normal(20, seed=2 * seed + 1, shift=1)) for seed in range(40)]
    centre = np.mean([one.value for one in found])
    assert np.mean([one.ci95[0] <= centre <= one.ci95[1] for one in found]) >= 0.85


def test_a_feature_that_one_subject_alone_makes_vary_has_no_interval(measure):
    real = normal(8, seed=0)
    real[:, 0] = [1, *[2] * 7]
    found = measure(real, normal(8, seed=1))
    assert found.ci95 is None
    assert "varies only by one group of real subjects" in found.ci_method


@pytest.mark.parametrize(("count", "more"), [(64, 1.016), (8, 1.143)])
def test_scaling_by_the_other_standard_deviation_would_score_more(count, more):
    """The figures of docs/metrics/frd.md: n in the denominator of the standard deviation, as numpy has it."""
    rng = np.random.default_rng(count)
    real, synthetic = rng.normal(size=(count, 5)), rng.normal(0.5, 2, size=(count, 5))
    found = radiomics_distance(real=real, synthetic=synthetic)
    centre, scale = real.mean(axis=0), real.std(axis=0)
    other = frechet_between(real=(real - centre) / scale, synthetic=(synthetic - centre) / scale)
    assert other / found == pytest.approx(count / (count - 1)) == pytest.approx(more, abs=5e-4)
