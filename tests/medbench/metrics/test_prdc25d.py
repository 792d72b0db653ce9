import numpy as np
import pytest

from medbench.metrics.functional.prdc import expected_coverage, prdc
from medbench.metrics.prdc25d import NEAREST, Prdc25d

PLANES = ("xy", "yz", "zx")


def random_features(count, *, seed, slices=5, dimension=6, shift=0.0, scale=1.0):
    rng = np.random.default_rng(seed)
    return {
        plane: [
            (scale * rng.normal(size=dimension) + 0.3 * rng.normal(size=(slices, dimension)) + shift).astype(np.float32)
            for _ in range(count)
        ]
        for plane in PLANES
    }


@pytest.fixture
def measure(make_side, make_evidence):
    def measured(real, synthetic, *, intervals=True):
        sides = (make_side(len(features["xy"]), features=features) for features in (real, synthetic))
        return Prdc25d().measure(make_evidence(*sides, intervals=intervals))

    return measured


def test_parts_are_the_four_figures_of_each_plane_and_the_value_is_coverage(measure):
    real, synthetic = random_features(12, seed=0), random_features(9, seed=1, shift=0.3)
    found = measure(real, synthetic)
    for plane in PLANES:
        figures = prdc(real=real[plane], synthetic=synthetic[plane], k=NEAREST)
        assert found.parts[plane] == {
            "precision": figures.precision,
            "recall": figures.recall,
            "density": figures.density,
            "coverage": figures.coverage,
        }
    assert found.value == pytest.approx(np.mean([found.parts[plane]["coverage"] for plane in PLANES]))


def test_a_set_against_itself_is_covered_and_has_no_interval(measure):
    features = random_features(10, seed=0)
    found = measure(features, features)
    assert found.value == 1.0
    assert found.ci95 is None
    assert "at a share of 1" in found.ci_method


def test_sides_are_not_interchangeable(measure):
    """Samples that crowd one spot are precise and cover little; the other way round it is recall that stays high."""
    real, crowd = random_features(30, seed=0), random_features(30, seed=1, scale=0.1)
    forth, back = measure(real, crowd), measure(crowd, real)
    assert forth.parts["xy"]["precision"] > 0.9 > forth.parts["xy"]["recall"]
    assert forth.parts["xy"]["precision"] == back.parts["xy"]["recall"]
    assert forth.value != back.value
    assert forth.ci95[0] < forth.value < forth.ci95[1] <= 1.0


def test_mode_collapse_lowers_coverage_step_by_step(measure):
    real = random_features(30, seed=0)
    fresh = random_features(30, seed=1)
    values = []
    for kinds in (30, 10, 4, 1):
        repeated = {plane: [fresh[plane][index % kinds] for index in range(30)] for plane in PLANES}
        values.append(measure(real, repeated, intervals=False).value)
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 0.5


def test_the_table_holds_the_shares(measure):
    found = measure(random_features(12, seed=0), random_features(9, seed=1, shift=0.3))
    table = found.table.query("plane == 'zx'").groupby("side").mean(numeric_only=True)
    assert len(found.table) == 3 * (12 + 9)
    assert table.loc["real", "covered"] == pytest.approx(found.parts["zx"]["coverage"])
    assert table.loc["real", "inside"] == pytest.approx(found.parts["zx"]["recall"])
    assert table.loc["synthetic", "inside"] == pytest.approx(found.parts["zx"]["precision"])


def test_the_note_says_what_one_population_scores(measure):
    found = measure(random_features(12, seed=0), random_features(9, seed=1))
    assert f"{expected_coverage(real=12, synthetic=9, k=5):.3f} on average" in found.notes[0]


def test_seven_real_subjects_are_the_fewest_with_an_interval(measure):
    without = measure(random_features(6, seed=0), random_features(9, seed=1, shift=0.5))
    assert without.ci95 is None
    assert "6 must stay" in without.ci_method
    assert measure(random_features(7, seed=0), random_features(9, seed=1, shift=1.0)).ci95 is not None
