import itertools
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from medbench.features import seeded
from medbench.features.seeded import SLICES, VOLUMES, SeededResNet, SeededResNet3d, seeded_weights
from medbench.imaging.slices import plane_slices
from medbench.metrics.fid3d import Fid3d
from medbench.metrics.fid25d.metric import Fid25d
from medbench.metrics.mmd3d import Mmd3d
from medbench.spec import SliceProtocol, Window

CT = Path(__file__).parents[2] / "data" / "cta_heart.nii.gz"
PLANES = ("xy", "yz", "zx")
# Made with these recipes and PyTorch 2.15 on a CPU: guards the recipes against change.
PINNED = {
    SeededResNet: {0: 0.38432589, 20: 0.13066068, 60: 0.07420906, 119: 0.13105452},
    SeededResNet3d: {0: 0.26384792, 20: 0.30956298, 60: 0.05823983, 100: 0.16250172, 143: 0.31900546},
}
SHA256 = {
    SeededResNet: "e9a32c120c2f4a336ea57ad6dee4c5452f8a1e5adfe34451a72bcb99ec019292",
    SeededResNet3d: "9d94dff68006369aa99a459370ab3c1f2bf660db0c1e798cf53337fce7dc04c2",
}


@pytest.fixture(scope="module")
def crops():
    hu = nibabel.as_closest_canonical(nibabel.load(CT)).get_fdata(dtype=np.float32)
    return [hu[x : x + 48, y : y + 48, z : z + 32] for x in (0, 37, 74) for y in (0, 54) for z in (0, 40, 80)]


@pytest.fixture(scope="module")
def undamaged(crops):
    return features(crops)


def ramp(*shape):
    return np.linspace(0, 1, np.prod(shape), dtype=np.float32).reshape(shape)


@pytest.mark.parametrize("network", SHA256)
def test_weights_are_the_published_ones(network):
    assert network(device="cpu").weights_sha256() == SHA256[network]


@pytest.mark.parametrize("recipe", [SLICES, VOLUMES])
def test_texture_filters_ignore_brightness(recipe):
    sums = seeded_weights(recipe)[0].sum(axis=tuple(range(1, recipe.axes + 2)))
    np.testing.assert_allclose(sums[: recipe.texture_filters], 0, atol=1e-6)
    assert np.all(np.abs(sums[recipe.texture_filters :]) > 1e-3)


@pytest.mark.parametrize(("network", "shape"), [(SeededResNet, (1, 48, 40)), (SeededResNet3d, (24, 20, 16))])
def test_features_are_pinned(network, shape):
    found = network(device="cpu").features(ramp(*shape))
    assert found.shape == (1, network.info.dimension)[-found.ndim :]
    assert found.dtype == np.float32
    pinned = PINNED[network]
    np.testing.assert_allclose(found.flatten()[list(pinned)], list(pinned.values()), rtol=1e-4)


def test_batches_change_nothing_but_rounding(monkeypatch):
    slices = np.random.default_rng(0).random((7, 20, 33), dtype=np.float32)
    whole = SeededResNet(device="cpu").features(slices)
    monkeypatch.setattr(seeded, "_BATCH_PIXELS", 2 * slices[0].size)
    np.testing.assert_allclose(SeededResNet(device="cpu").features(slices), whole, atol=1e-5)


def test_axes_are_told_apart():
    voxels, extractor = ramp(24, 20, 16), SeededResNet3d(device="cpu")
    assert not np.allclose(extractor.features(voxels), extractor.features(voxels.transpose(2, 1, 0)), rtol=1e-3)


def test_large_volumes_are_averaged_down_first(monkeypatch):
    monkeypatch.setattr(seeded, "_MOST_VOXELS", 16**3)
    blocks = np.random.default_rng(0).random((16, 16, 16), dtype=np.float32)
    large = blocks.repeat(2, axis=0).repeat(2, axis=1).repeat(2, axis=2)
    extractor = SeededResNet3d(device="cpu")
    np.testing.assert_allclose(extractor.features(large), extractor.features(blocks), rtol=1e-5)


def slice_features(volumes):
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


def volume_features(volumes):
    extractor = SeededResNet3d(device="cpu")
    return [extractor.features(((hu.clip(-1000, 1000) + 1000) / 2000).astype(np.float32)) for hu in volumes]


def features(volumes):
    return {"features": slice_features(volumes), "vectors": volume_features(volumes)}


@pytest.mark.parametrize(
    ("damage", "strengths"),
    [
        (lambda v, sigma: gaussian_filter(v, sigma), (0.5, 1, 2)),
        (lambda v, hu: v + np.random.default_rng(3).normal(0, hu, v.shape).astype(np.float32), (20, 60, 180)),
        (lambda v, hu: v + np.float32(hu), (20, 80, 300)),
    ],
    ids=["blur", "noise", "shift"],
)
def test_the_distances_rise_with_damage(damage, strengths, crops, undamaged, make_side, make_evidence):
    damaged = [features([damage(crop, strength) for crop in crops]) for strength in strengths]
    real, *others = (make_side(len(crops), **one) for one in (undamaged, *damaged))
    for metric in (Fid25d(), Fid3d(), Mmd3d()):
        values = [metric.measure(make_evidence(real, one, intervals=False)).value for one in (real, *others)]
        assert all(weaker < stronger for weaker, stronger in itertools.pairwise(values))
        assert values[1] > 1e-5 or not isinstance(metric, Fid25d)
