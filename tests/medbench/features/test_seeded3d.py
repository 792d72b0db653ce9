import itertools
import pickle
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medbench.features import seeded3d
from medbench.features.seeded3d import SeededResNet3d, seeded_weights
from medbench.metrics.fid3d import Fid3d
from medbench.metrics.mmd3d import Mmd3d

CT = Path(__file__).parents[2] / "data" / "cta_heart.nii.gz"
# Made with this recipe and PyTorch 2.15 on a CPU: guards the recipe against change.
PINNED = [0.26384792, 0.30956298, 0.05823983, 0.16250172, 0.31900546]
SHA256 = "9d94dff68006369aa99a459370ab3c1f2bf660db0c1e798cf53337fce7dc04c2"


def features_of(volumes):
    extractor = SeededResNet3d(device="cpu")
    return [extractor.features(((hu.clip(-1000, 1000) + 1000) / 2000).astype(np.float32)) for hu in volumes]


@pytest.fixture(scope="module")
def crops():
    hu = nibabel.as_closest_canonical(nibabel.load(CT)).get_fdata(dtype=np.float32)
    return [hu[x : x + 48, y : y + 48, z : z + 32] for x in (0, 74) for y in (0, 54) for z in (0, 40, 80)]


def ramp():
    return np.linspace(0, 1, 24 * 20 * 16, dtype=np.float32).reshape(24, 20, 16)


def test_weights_are_the_published_ones():
    assert SeededResNet3d(device="cpu").weights_sha256() == SHA256


def test_weights_do_not_depend_on_global_seeds():
    before = [weight.copy() for weight in seeded_weights()]
    seeded_weights.cache_clear()
    np.random.seed(7)  # noqa: NPY002  the very thing that must not matter
    for old, new in zip(before, seeded_weights()):
        np.testing.assert_array_equal(old, new)


def test_texture_filters_ignore_brightness():
    np.testing.assert_allclose(seeded_weights()[0][:6].sum(axis=(1, 2, 3, 4)), 0, atol=1e-6)


def test_features_are_pinned():
    found = SeededResNet3d(device="cpu").features(ramp())
    assert found.shape == (SeededResNet3d.info.dimension,)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[[0, 20, 60, 100, 143]], PINNED, rtol=1e-4)


def test_the_input_is_not_touched():
    voxels = ramp()
    kept = voxels.copy()
    SeededResNet3d(device="cpu").features(voxels)
    np.testing.assert_array_equal(voxels, kept)


def test_axes_are_told_apart():
    extractor = SeededResNet3d(device="cpu")
    voxels = ramp()
    assert not np.allclose(extractor.features(voxels), extractor.features(voxels.transpose(2, 1, 0)), rtol=1e-3)


def test_large_volumes_are_averaged_down_first(monkeypatch):
    monkeypatch.setattr(seeded3d, "_MOST_VOXELS", 16**3)
    blocks = np.random.default_rng(0).random((16, 16, 16), dtype=np.float32)
    large = blocks.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    extractor = SeededResNet3d(device="cpu")
    np.testing.assert_allclose(extractor.features(large), extractor.features(blocks), rtol=1e-5)


def test_extractor_pickles_and_its_repr_rebuilds_it():
    extractor = SeededResNet3d(device="cpu")
    assert pickle.loads(pickle.dumps(extractor)) == extractor
    assert eval(repr(extractor)) == extractor
    assert extractor.info.stand_in
    assert extractor.info.sees == "volumes"


@pytest.mark.parametrize(
    ("damage", "strengths"),
    [
        (lambda v, sigma: gaussian_filter(v, sigma), (0.5, 1, 2)),
        (lambda v, hu: v + np.random.default_rng(3).normal(0, hu, v.shape).astype(np.float32), (20, 60, 180)),
        (lambda v, hu: v + np.float32(hu), (20, 80, 300)),
    ],
    ids=["blur", "noise", "shift"],
)
def test_the_distances_rise_with_damage(damage, strengths, crops, make_side, make_evidence):
    real = make_side(len(crops), vectors=features_of(crops))
    sides = [real]
    for strength in strengths:
        sides.append(make_side(len(crops), vectors=features_of([damage(crop, strength) for crop in crops])))
    for metric in (Fid3d(), Mmd3d()):
        values = [metric.measure(make_evidence(real, side, intervals=False)).value for side in sides]
        assert all(weaker < stronger for weaker, stronger in itertools.pairwise(values))
