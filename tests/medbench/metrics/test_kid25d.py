import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from medbench.metrics.kid25d import Kid25d
from medbench.spec import SliceProtocol

PLANES = ("xy", "yz", "zx")


def random_features(count, *, seed, slices=5, dimension=6, shift=0.0):
    rng = np.random.default_rng(seed)
    return {
        plane: [
            (rng.normal(size=dimension) + 0.5 * rng.normal(size=(slices, dimension)) + shift).astype(np.float32)
            for _ in range(count)
        ]
        for plane in PLANES
    }


@pytest.fixture
def measure(make_side, make_evidence):
    def measured(real, synthetic, *, intervals=True, **protocol):
        sides = (make_side(len(features["xy"]), features=features) for features in (real, synthetic))
        return Kid25d().measure(make_evidence(*sides, intervals=intervals, **protocol))

    return measured


def test_one_slice_a_volume_is_the_kid_of_torch_fidelity(measure):
    """torch-fidelity 0.4 draws subsets; with one subset of all slices it is the full estimate."""
    real, synthetic = random_features(30, seed=0, slices=1), random_features(30, seed=1, slices=1, shift=0.4)
    found = measure(real, synthetic)
    for plane in PLANES:
        theirs = kid_features_to_metric(
            *(torch.from_numpy(np.concatenate(side[plane]).astype(np.float64)) for side in (synthetic, real)),
            kid_subsets=1,
            kid_subset_size=30,
            kid_kernel="poly",
            kid_kernel_poly_degree=3,
            kid_kernel_poly_gamma=None,
            kid_kernel_poly_coef0=1.0,
            rng_seed=0,
            verbose=False,
        )
        assert found.parts[plane] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-9)
    assert found.value == pytest.approx(np.mean(list(found.parts.values())))


def test_points_have_a_closed_form(measure):
    """All real slices at a, all synthetic ones at b: k(a, a) + k(b, b) - 2 k(a, b)."""
    a, b = np.ones((4, 2), dtype=np.float32), np.full((4, 2), 2.0, dtype=np.float32)
    found = measure({plane: [a] * 5 for plane in PLANES}, {plane: [b] * 6 for plane in PLANES})
    assert found.value == pytest.approx(2.0**3 + 5.0**3 - 2 * 3.0**3, rel=1e-12)
    assert found.ci95 == pytest.approx((found.value, found.value))


def test_value_is_symmetric_but_replicates_and_table_keep_their_sides(measure):
    a, b = random_features(6, seed=0), random_features(9, seed=1, shift=0.6)
    forth, back = measure(a, b), measure(b, a)
    assert forth.value == pytest.approx(back.value, rel=1e-10)
    assert len(forth.replicates["real"].values) == 6
    assert len(forth.replicates["synthetic"].values) == 9
    np.testing.assert_allclose(forth.replicates["real"].values, back.replicates["synthetic"].values)
    assert forth.table.query("side == 'real'")["subject"].nunique() == 6


def test_the_table_holds_the_value(measure):
    found = measure(random_features(6, seed=0), random_features(9, seed=1, shift=0.6))
    plane = found.table.query("plane == 'yz'").groupby("side")[["kernel_with_own_side", "kernel_with_other_side"]]
    means = plane.mean()
    assert len(found.table) == 3 * (6 + 9)
    value = means["kernel_with_own_side"].sum() - 2 * means.loc["real", "kernel_with_other_side"]
    assert found.parts["yz"] == pytest.approx(value, rel=1e-10)


def test_copies_of_a_volume_add_nothing_to_its_subject(make_side, make_evidence):
    """Ten volumes of the same patient weigh as one subject whose slices take no part with each other."""
    real, synthetic = random_features(8, seed=0), random_features(8, seed=1, shift=0.5)
    copied = {plane: [volume for volume in volumes for _ in range(3)] for plane, volumes in synthetic.items()}
    plain = make_evidence(make_side(8, features=real), make_side(8, features=synthetic))
    subjects = [f"p{index // 3}" for index in range(24)]
    clustered = make_evidence(make_side(8, features=real), make_side(24, subjects=subjects, features=copied))
    first, second = Kid25d().measure(plain), Kid25d().measure(clustered)
    assert first.value == pytest.approx(second.value, rel=1e-10)
    assert first.ci95 == pytest.approx(second.ci95, rel=1e-8)


def test_protocol_chooses_the_planes(measure):
    a, b = random_features(6, seed=0), random_features(7, seed=1, shift=0.4)
    found = measure(a, b, slices=SliceProtocol(planes=("xy", "zx")))
    assert list(found.parts) == ["xy", "zx"]
