import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch_fidelity.metric_prc import prc_features_to_metric

from medbench.metrics.functional import blocks
from medbench.metrics.functional.prdc import expected_coverage, prdc


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def own_subjects(rows):
    return [row[None] for row in rows]


def subjects_of(rng, count, *, slices=6, dimension=5, shift=0.0, scale=1.0):
    return [
        scale * rng.normal(size=dimension) + 0.3 * rng.normal(size=(slices, dimension)) + shift for _ in range(count)
    ]


def slow_figures(real, synthetic, k):
    """The definitions, slice by slice and subject by subject."""

    def distance(x, subject):
        return min(np.linalg.norm(x - y) for y in subject)

    def radius(x, own, side):
        return sorted(distance(x, subject) for index, subject in enumerate(side) if index != own)[k - 1]

    real_balls = [(x, radius(x, own, real)) for own, subject in enumerate(real) for x in subject]
    balls = [(y, radius(y, own, synthetic)) for own, subject in enumerate(synthetic) for y in subject]
    reached = [[distance(x, subject) <= r for subject in synthetic] for x, r in real_balls]
    return {
        "precision": np.mean([any(np.linalg.norm(x - y) <= r for x, r in real_balls) for y, _ in balls]),
        "recall": np.mean([any(np.linalg.norm(x - y) <= r for y, r in balls) for x, _ in real_balls]),
        "density": np.mean([sum(row) for row in reached]) * len(real) / (k * len(synthetic)),
        "coverage": np.mean([any(row) for row in reached]),
    }


def test_precision_and_recall_are_those_of_torch_fidelity(rng):
    """torch-fidelity takes the generated features first and k = 3."""
    x, y = rng.normal(size=(60, 8)), rng.normal(0.5, 0.8, size=(45, 8))
    theirs = prc_features_to_metric(
        torch.from_numpy(y),
        torch.from_numpy(x),
        prc_neighborhood=3,
        prc_batch_size=100,
        save_cpu_ram=False,
        verbose=False,
    )
    found = prdc(real=own_subjects(x), synthetic=own_subjects(y), k=3)
    assert found.precision == pytest.approx(theirs["precision"], abs=1e-6)
    assert found.recall == pytest.approx(theirs["recall"], abs=1e-6)
    assert found.precision != found.recall


def test_density_and_coverage_of_naeem_with_scikit_learns_neighbours(rng):
    """Naeem et al., eqs. 3 and 4, where each slice is a subject of its own."""
    x, y = rng.normal(size=(60, 8)), rng.normal(0.5, 0.8, size=(45, 8))
    radii = NearestNeighbors(n_neighbors=6).fit(x).kneighbors(x)[0][:, -1]
    inside = np.linalg.norm(x[:, None] - y[None], axis=2) <= radii[:, None]
    found = prdc(real=own_subjects(x), synthetic=own_subjects(y), k=5)
    assert found.density == pytest.approx(inside.sum() / (5 * 45), rel=1e-12)
    assert found.coverage == pytest.approx(inside.any(axis=1).mean(), rel=1e-12)


@pytest.mark.parametrize("block", [2048, 7])
def test_several_slices_a_subject_follow_the_definition(rng, block, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK_ROWS", block)
    real = [*subjects_of(rng, 7, slices=4), *subjects_of(rng, 2, slices=2)]
    synthetic = [*subjects_of(rng, 6, slices=3, shift=0.3), *subjects_of(rng, 1, slices=5)]
    found = prdc(real=real, synthetic=synthetic, k=2)
    for name, expected in slow_figures(real, synthetic, 2).items():
        assert getattr(found, name) == pytest.approx(expected, rel=1e-12), name


def test_a_set_against_itself(rng):
    real = subjects_of(rng, 9)
    found = prdc(real=real, synthetic=real, k=5)
    assert (found.precision, found.recall, found.coverage) == (1.0, 1.0, 1.0)
    assert found.density >= 1.0


def test_sets_far_apart_share_nothing(rng):
    found = prdc(real=subjects_of(rng, 8), synthetic=subjects_of(rng, 8, shift=100.0), k=5)
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_sides_are_not_interchangeable(rng):
    """Samples crowd one spot among the real ones: plausible (precision), but most of the real ones are not covered."""
    real, crowd = subjects_of(rng, 40), subjects_of(rng, 40, scale=0.05)
    found = prdc(real=real, synthetic=crowd, k=5)
    swapped = prdc(real=crowd, synthetic=real, k=5)
    assert found.precision > 0.95
    assert found.recall < 0.3
    assert found.coverage < 0.8
    assert found.density > 1
    assert swapped.precision == found.recall
    assert swapped.recall == found.precision
    assert swapped.density < 1


def test_features_that_do_not_vary_are_covered():
    same = [np.ones((3, 4)) for _ in range(7)]
    found = prdc(real=same, synthetic=same, k=5)
    assert found.coverage == 1.0


@pytest.mark.parametrize(("real", "synthetic", "side"), [(5, 9, "real"), (9, 5, "synthetic")])
def test_too_few_subjects(rng, real, synthetic, side):
    with pytest.raises(ValueError, match=f"6 {side} subjects; got 5"):
        prdc(real=subjects_of(rng, real), synthetic=subjects_of(rng, synthetic), k=5)


def test_expected_coverage_by_hand():
    """One real neighbour and one synthetic subject: which is nearer is a toss of a coin."""
    assert expected_coverage(real=2, synthetic=1, k=1) == pytest.approx(0.5)
    assert expected_coverage(real=10**6, synthetic=10**6, k=5) == pytest.approx(1 - 0.5**5, abs=1e-5)


@pytest.mark.parametrize(("n", "m"), [(24, 24), (64, 16)])
def test_one_population_scores_what_is_expected(n, m):
    """Coverage and density of two sets of one population, however much slices of a subject resemble each other."""
    rng = np.random.default_rng(n)
    found = [prdc(real=subjects_of(rng, n), synthetic=subjects_of(rng, m), k=5) for _ in range(80)]
    for name, expected in (("coverage", expected_coverage(real=n, synthetic=m, k=5)), ("density", 1.0)):
        values = [getattr(one, name) for one in found]
        assert abs(np.mean(values) - expected) < 3.5 * np.std(values) / np.sqrt(len(values)), name


def test_leaving_subjects_out_is_computing_without_them(rng):
    real, synthetic = subjects_of(rng, 12), subjects_of(rng, 9, shift=0.5)
    found = prdc(real=real, synthetic=synthetic, k=3).coverage_without
    for left_out in range(12):
        fewer = [subject for index, subject in enumerate(real) if index != left_out]
        assert found["real"][left_out] == prdc(real=fewer, synthetic=synthetic, k=3).coverage
    for left_out in range(9):
        fewer = [subject for index, subject in enumerate(synthetic) if index != left_out]
        assert found["synthetic"][left_out] == prdc(real=real, synthetic=fewer, k=3).coverage


def test_the_largest_group_must_leave_enough_real_subjects(rng):
    assert not prdc(real=subjects_of(rng, 6), synthetic=subjects_of(rng, 9), k=5).coverage_without


def test_ties_are_inside_here_and_outside_in_the_prdc_package():
    """The figures of docs/metrics/prdc25d.md."""
    equal = own_subjects(np.ones((8, 3)))
    found = prdc(real=equal, synthetic=equal, k=5)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    assert found.density == pytest.approx(8 / 5)
