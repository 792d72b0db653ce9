from itertools import combinations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medbench.errors import Unavailable
from medbench.imaging.volume import Volume
from medbench.metrics.functional.ms_ssim import Pyramid, similarity
from medbench.metrics.msssim import MsSsim, chosen_pairs

SHAPE = (24, 20, 16)


def patient(seed, shape=SHAPE):
    """A body that all share, and something of the patient's own."""
    body = np.linalg.norm(np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")), axis=0)
    own = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 2)
    return Volume((400 - 900 * body + 1500 * own).astype(np.float32))


PATIENTS = [patient(seed) for seed in range(30)]


@pytest.fixture
def measure(make_side, make_evidence):
    def measured(real, synthetic, *, subjects=None, **options):
        sides = make_side(len(real), scans=real), make_side(len(synthetic), scans=synthetic, subjects=subjects)
        return MsSsim().measure(make_evidence(*sides, **options))

    return measured


def mean_of_pairs(volumes):
    units = [(np.clip(volume.voxels, -1000, 1000) + 1000) / 2000 for volume in volumes]
    return np.mean([similarity(Pyramid.of(a), Pyramid.of(b)) for a, b in combinations(units, 2)])


def test_value_is_the_distance_of_the_means_over_all_pairs(measure):
    found = measure(PATIENTS[:6], PATIENTS[6:13])
    assert found.parts["real"] == pytest.approx(mean_of_pairs(PATIENTS[:6]), rel=1e-5)
    assert found.parts["synthetic"] == pytest.approx(mean_of_pairs(PATIENTS[6:13]), rel=1e-5)
    assert found.value == abs(found.parts["synthetic"] - found.parts["real"])
    assert found.scope == {"compared_voxels": [24, 20, 16], "scales": 3}


def test_copies_of_one_volume_are_equal(measure):
    found = measure(PATIENTS[:6], [PATIENTS[6]] * 6)
    assert found.parts["synthetic"] == pytest.approx(1, abs=1e-5)
    assert found.value > 10 * measure(PATIENTS[:6], PATIENTS[6:12]).value


def test_noise_is_not_called_variety(measure):
    """It makes volumes less alike, which the published mean takes for diversity; here it is as far from real ones."""
    rng = np.random.default_rng(0)
    noisy = [Volume(one.voxels + rng.normal(0, 200, SHAPE).astype(np.float32)) for one in PATIENTS[6:12]]
    clean, found = (measure(PATIENTS[:6], synthetic) for synthetic in (PATIENTS[6:12], noisy))
    assert found.parts["synthetic"] < clean.parts["synthetic"]
    assert found.value > clean.value
    assert any("less alike" in note for note in found.notes)


def test_interval_replicates_and_table(measure):
    found = measure(PATIENTS[:6], PATIENTS[6:13])
    assert 0 <= found.ci95[0] <= found.value <= found.ci95[1]
    without_first = abs(mean_of_pairs(PATIENTS[7:13]) - mean_of_pairs(PATIENTS[:6]))
    assert found.replicates["synthetic"].values[0] == pytest.approx(without_first, rel=1e-4)
    rows = found.table[found.table["side"] == "synthetic"]
    assert list(rows["id"]) == [f"v{index:03}" for index in range(7)]
    assert rows["pairs"].tolist() == [6] * 7
    assert rows["mean_ms_ssim"].mean() == pytest.approx(found.parts["synthetic"])


def test_interval_covers_the_mean_of_its_sampling_distribution(measure):
    """Of the distance from real volumes that the collapse of half of the samples makes."""

    def drawn(draw):
        rng = np.random.default_rng(draw)
        real, own = (rng.choice(30, 10, replace=False) for _ in range(2))
        return measure([SMALL[at] for at in real], [SMALL[at if place % 2 else 0] for place, at in enumerate(own)])

    found = [drawn(draw) for draw in range(40)]
    centre = np.mean([one.value for one in found])
    assert np.mean([one.ci95[0] <= centre <= one.ci95[1] for one in found]) >= 0.9


SMALL = [patient(seed, (10, 8, 8)) for seed in range(30)]


def test_a_subject_takes_part_with_its_first_volume(measure):
    found = measure(PATIENTS[:4], [*PATIENTS[4:8], *PATIENTS[4:8]], subjects=[*"abcd", *"abcd"])
    assert found.parts["synthetic"] == pytest.approx(mean_of_pairs(PATIENTS[4:8]), rel=1e-5)
    assert found.table[found.table["side"] == "synthetic"]["pairs"].tolist() == [3, 3, 3, 3, 0, 0, 0, 0]


def test_many_subjects_are_compared_in_a_bounded_number_of_pairs():
    for count in (2, 10, 23):
        assert len(chosen_pairs(count)) == count * (count - 1) // 2
    for count in (24, 64, 100, 256):
        pairs = chosen_pairs(count)
        assert len(pairs) <= 256
        assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs)
        assert (pairs[:, 0] != pairs[:, 1]).all()
        assert len(set(np.bincount(pairs.ravel()).tolist())) == 1, "all take part in equally many pairs"
    assert len(chosen_pairs(1000)) == 256
    assert chosen_pairs(1000).tolist() == chosen_pairs(1000).tolist()


def test_pairs_that_were_not_drawn_are_left_blank_in_the_table(measure):
    crowd = [SMALL[index % 30] for index in range(260)]
    found = measure(crowd, crowd[:4])
    assert (found.table["pairs"] == 0).sum() == 4
    assert found.table.loc[found.table["pairs"] == 0, "mean_ms_ssim"].isna().all()


def test_large_volumes_are_averaged_first(measure):
    large = [patient(seed, (64, 64, 66)) for seed in range(4)]
    assert measure(large[:2], large[2:]).scope == {"compared_voxels": [64, 64, 33], "scales": 4}


def test_small_volumes_say_how_many_scales_they_hold(measure):
    assert any("3 of MS-SSIM's 5 scales" in note for note in measure(PATIENTS[:2], PATIENTS[2:4]).notes)


def test_volumes_of_different_shapes_are_unavailable(measure):
    with pytest.raises(Unavailable, match="different shapes"):
        measure(PATIENTS[:3], [patient(0), patient(1, (12, 12, 12))])
