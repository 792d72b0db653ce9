import itertools
import pickle
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medbench.features.seeded import SeededResNet, seeded_weights
from medbench.imaging.slices import plane_slices
from medbench.metrics.fid25d import Fid25d
from medbench.spec import SliceProtocol, Window

CT = Path(__file__).parents[2] / "data" / "cta_heart.nii.gz"
PLANES = ("xy", "yz", "zx")
# Made with this recipe and PyTorch 2.15 on a CPU: guards the recipe against change.
PINNED = [0.38432589, 0.13066068, 0.07420906, 0.13105452]


def features_of(volumes):
    extractor = SeededResNet(device="cpu")
    return {
        plane: [
            np.concatenate(
                [extractor.features(s) for s in plane_slices(v, plane, protocol=SliceProtocol(), window=Window())]
            )
            for v in volumes
        ]
        for plane in PLANES
    }


@pytest.fixture(scope="module")
def crops():
    hu = nibabel.as_closest_canonical(nibabel.load(CT)).get_fdata(dtype=np.float32)
    return [hu[x : x + 48, y : y + 48, z : z + 32] for x in (0, 37, 74) for y in (0, 54) for z in (0, 40, 80)]


def test_weights_are_the_published_ones():
    assert (
        SeededResNet(device="cpu").weights_sha256()
        == "e9a32c120c2f4a336ea57ad6dee4c5452f8a1e5adfe34451a72bcb99ec019292"
    )


def test_weights_do_not_depend_on_global_seeds():
    before = [weight.copy() for weight in seeded_weights()]
    seeded_weights.cache_clear()
    np.random.seed(7)  # noqa: NPY002  the very thing that must not matter
    for old, new in zip(before, seeded_weights()):
        np.testing.assert_array_equal(old, new)


def test_texture_filters_ignore_brightness():
    np.testing.assert_allclose(seeded_weights()[0][:8].sum(axis=(1, 2, 3)), 0, atol=1e-6)


def test_features_are_pinned():
    ramp = np.linspace(0, 1, 48 * 40, dtype=np.float32).reshape(1, 48, 40)
    found = SeededResNet(device="cpu").features(ramp)
    assert found.shape == (1, SeededResNet.info.dimension)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, [0, 20, 60, 119]], PINNED, rtol=1e-4)


def test_batches_change_nothing_but_rounding(monkeypatch):
    slices = np.random.default_rng(0).random((7, 20, 33), dtype=np.float32)
    whole = SeededResNet(device="cpu").features(slices)
    monkeypatch.setattr("medbench.features.seeded._BATCH_PIXELS", 2 * slices[0].size)
    np.testing.assert_allclose(SeededResNet(device="cpu").features(slices), whole, atol=1e-5)


def test_extractor_pickles_and_its_repr_rebuilds_it():
    extractor = SeededResNet(device="cpu")
    assert pickle.loads(pickle.dumps(extractor)) == extractor
    assert eval(repr(extractor)) == extractor
    assert extractor.info.stand_in


@pytest.mark.parametrize(
    ("damage", "strengths"),
    [
        (lambda v, sigma: gaussian_filter(v, sigma), (0.5, 1, 2)),
        (lambda v, hu: v + np.random.default_rng(3).normal(0, hu, v.shape).astype(np.float32), (20, 60, 180)),
        (lambda v, hu: v + np.float32(hu), (20, 80, 300)),
    ],
    ids=["blur", "noise", "shift"],
)
def test_fid25d_rises_with_damage(damage, strengths, crops, make_side, make_evidence):
    real = make_side(len(crops), features=features_of(crops))
    values = [0.0]
    for strength in strengths:
        synthetic = make_side(len(crops), features=features_of([damage(crop, strength) for crop in crops]))
        values.append(Fid25d().measure(make_evidence(real, synthetic)).value)
    assert all(weaker < stronger for weaker, stronger in itertools.pairwise(values))
    assert values[1] > 1e-5
