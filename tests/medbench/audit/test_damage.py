import numpy as np
import pytest

from medbench.audit import damage
from medbench.imaging.volume import LabelMap, Volume

AFFINE = np.diag([2.0, 2.0, 4.0, 1.0])


@pytest.fixture
def volume() -> Volume:
    voxels = np.random.default_rng(0).normal(0, 5, (16, 20, 12)) + 10 * np.arange(12)
    return Volume(np.rint(voxels).astype(np.int16), AFFINE)


@pytest.fixture
def label_map() -> LabelMap:
    voxels = np.zeros((16, 20, 12), np.uint8)
    voxels[4:8, 5:9, 3:7] = 1
    voxels[10:12, 10:12, 3:7] = 2
    return LabelMap(voxels, AFFINE, {1: "heart", 2: "aorta"})


DAMAGES = {
    "noise": lambda volume, strength: damage.noise(volume, sd_hu=strength, seed=3),
    "blur": lambda volume, strength: damage.blur(volume, sigma_mm=strength),
    "hu_shift": lambda volume, strength: damage.hu_shift(volume, hu=strength),
    "shuffled": lambda volume, strength: damage.shuffled_slices(volume, share=strength / 20, seed=3),
    "stitched": lambda volume, strength: damage.stitched(volume, shift_mm=strength),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_nothing_happens_at_strength_0_and_more_at_more(kind: str, volume: Volume) -> None:
    before = volume.voxels.copy()
    apart = [
        float(np.abs(DAMAGES[kind](volume, strength).voxels - volume.voxels.astype(float)).mean())
        for strength in (0, 4, 8, 16)
    ]
    assert apart[0] == 0
    assert apart == sorted(set(apart))
    assert np.array_equal(volume.voxels, before)


@pytest.mark.parametrize("kind", DAMAGES)
def test_equal_damage_makes_equal_volumes_on_the_same_grid(kind: str, volume: Volume) -> None:
    once, again = (DAMAGES[kind](volume, 10) for _ in range(2))
    assert once.content_hash() == again.content_hash()
    assert np.array_equal(once.affine, volume.affine)
    assert once.voxels.dtype == np.int16


def test_noise_and_shift_are_in_hu(volume: Volume) -> None:
    flat = Volume(np.zeros((40, 40, 40), np.int16), AFFINE)
    assert damage.noise(flat, sd_hu=30, seed=1).voxels.std() == pytest.approx(30, rel=0.02)
    assert not np.array_equal(damage.noise(flat, sd_hu=30, seed=1).voxels, damage.noise(flat, sd_hu=30, seed=2).voxels)
    assert np.array_equal(damage.hu_shift(volume, hu=20).voxels, volume.voxels + 20)


def test_blur_is_in_mm_along_every_axis() -> None:
    voxels = np.zeros((41, 41, 41), np.float32)
    voxels[20, 20, 20] = 1e4
    smooth = damage.blur(Volume(voxels, np.diag([1.0, 2.0, 4.0, 1.0])), sigma_mm=6.0).voxels.astype(float)
    for axis, spacing in enumerate((1.0, 2.0, 4.0)):
        profile = smooth.sum(axis=tuple(other for other in range(3) if other != axis))
        at = (np.arange(41) - 20) * spacing
        # float32 is rounded to whole HU, which cuts the tails a little.
        assert np.sqrt((profile * at**2).sum() / profile.sum()) == pytest.approx(6.0, rel=0.06)


def test_a_structure_is_filled_from_around_it(volume: Volume, label_map: LabelMap) -> None:
    voxels = np.zeros(volume.shape, np.int16)
    voxels[label_map.voxels == 1] = 300
    voxels[label_map.voxels == 2] = 500
    filled = damage.without_structure(Volume(voxels, AFFINE), label_map, region="heart").voxels
    assert filled[label_map.voxels == 1].max() == 0
    assert np.all(filled[label_map.voxels == 2] == 500)
    same = damage.without_structure(volume, label_map, region="liver")
    assert np.array_equal(same.voxels, volume.voxels)


def test_shuffling_keeps_every_slice_and_moves_just_the_share(volume: Volume) -> None:
    def order(share: float) -> list[int]:
        numbered = Volume(np.broadcast_to(np.arange(12, dtype=np.int16), (2, 2, 12)).copy(), AFFINE)
        return damage.shuffled_slices(numbered, share=share, seed=5).voxels[0, 0].tolist()

    for share, moved in ((0.25, 3), (0.5, 6), (1.0, 12)):
        assert sorted(order(share)) == list(range(12))
        assert sum(place != index for index, place in enumerate(order(share))) == moved


def test_stitching_leaves_the_lower_half_and_moves_the_upper_to_anterior(volume: Volume) -> None:
    moved = damage.stitched(volume, shift_mm=4.0).voxels
    assert np.array_equal(moved[:, :, :6], volume.voxels[:, :, :6])
    assert np.array_equal(moved[:, 2:, 6:], volume.voxels[:, :-2, 6:])


def test_a_larger_share_strikes_what_a_smaller_one_did() -> None:
    shares = [damage.struck(16, share=share, seed=1) for share in (0.25, 0.5, 1.0)]
    assert [len(places) for places in shares] == [4, 8, 16]
    assert set(shares[0]) < set(shares[1]) < set(shares[2]) == set(range(16))
    assert list(shares[0]) != list(range(4))
