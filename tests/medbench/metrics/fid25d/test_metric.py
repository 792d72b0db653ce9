import json
from pathlib import Path

import numpy as np
import pytest

from medbench.features.radimagenet import RadImageNetResNet50
from medbench.imaging.slices import plane_slices
from medbench.metrics.fid25d.metric import Fid25d
from medbench.spec import SliceProtocol, Window

GOLDEN = Path(__file__).parents[3] / "data" / "fid25d"
PLANES = ("xy", "yz", "zx")


def random_features(count, *, seed, dimension=6, slices=12, shift=0.0):
    """Slices of one volume resemble each other, as real ones do."""
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
    def measured(real, synthetic, **protocol):
        sides = (make_side(len(features["xy"]), features=features) for features in (real, synthetic))
        return Fid25d().measure(make_evidence(*sides, **protocol))

    return measured


@pytest.mark.parametrize(("ratio", "run"), [(None, "center_slices_ratio=None"), (0.5, "center_slices_ratio=0.5")])
def test_golden_numbers_of_maisi(ratio, run, measure, formula_weights_file, monkeypatch):
    monkeypatch.setenv("MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50", str(formula_weights_file))
    extractor = RadImageNetResNet50(device="cpu")
    protocol = SliceProtocol(normalisation="minmax_per_plane", centre_ratio=ratio)
    sides = {}
    with np.load(GOLDEN / "volumes.npz") as volumes:
        for side in ("real", "synth"):
            sides[side] = {plane: [] for plane in PLANES}
            for index in range(5):
                for plane in PLANES:
                    chunks = plane_slices(volumes[f"{side}_{index}"], plane, protocol=protocol, window=Window())
                    sides[side][plane].append(np.concatenate([extractor.features(chunk) for chunk in chunks]))
    found = measure(sides["real"], sides["synth"])
    expected = json.loads((GOLDEN / "expected_fid.json").read_text())["runs"][run]
    for plane in PLANES:
        assert found.parts[plane] == pytest.approx(expected[plane]["fid_exact"], rel=1e-5)
        assert found.parts[plane] == pytest.approx(expected[plane]["fid_monai"], rel=1e-4)
        assert set(found.table.query("plane == @plane")["slices"]) == {expected[plane]["n_slices_per_volume"]}
    assert found.value == pytest.approx(expected["avg"]["fid_exact"], rel=1e-5)
    assert "in 2048 dimensions bias the distance upwards" in found.notes[0]


def test_a_pure_shift_is_its_squared_length(measure):
    features = random_features(6, seed=0)
    shifted = {plane: [volume + np.float32(0.5) for volume in volumes] for plane, volumes in features.items()}
    assert measure(features, shifted).value == pytest.approx(6 * 0.5**2, rel=1e-5)


def test_value_is_symmetric_but_the_table_refers_to_the_real_mean(measure):
    a, b = random_features(6, seed=0), random_features(7, seed=1, shift=0.4)
    forth, back = measure(a, b), measure(b, a)
    assert forth.value == pytest.approx(back.value, rel=1e-10)
    first = forth.table.query("side == 'synthetic' and plane == 'xy'").iloc[0]
    distance = np.linalg.norm(b["xy"][0].mean(0) - np.concatenate(a["xy"]).mean(0))
    assert first["distance_to_real_mean"] == pytest.approx(distance, rel=1e-5)
    assert len(forth.table) == (6 + 7) * 3


def test_value_is_the_mean_of_the_protocols_planes(measure):
    a, b = random_features(6, seed=0), random_features(7, seed=1, shift=0.4)
    both = measure(a, b, slices=SliceProtocol(planes=("xy", "zx")))
    assert list(both.parts) == ["xy", "zx"]
    assert both.value == pytest.approx(np.mean([measure(a, b).parts[plane] for plane in ("xy", "zx")]))


def test_interval_holds_the_value_and_narrows_with_subjects(measure):
    few = measure(random_features(10, seed=0), random_features(10, seed=1, shift=1.0))
    many = measure(random_features(90, seed=2), random_features(90, seed=3, shift=1.0))
    assert few.ci95[0] < few.value < few.ci95[1]
    assert many.ci95[0] < many.value < many.ci95[1]
    assert many.ci95[1] - many.ci95[0] < few.ci95[1] - few.ci95[0]
    assert many.ci_method.startswith("delete-a-group jackknife over subjects, 20 real and 20 synthetic groups")


def test_interval_covers_the_mean_of_its_sampling_distribution(measure):
    """Not the distance of the populations: the bias at these counts is the floor's business."""
    found = [
        measure(random_features(12, seed=2 * seed), random_features(12, seed=2 * seed + 1, shift=1.0))
        for seed in range(60)
    ]
    centre = np.mean([one.value for one in found])
    assert np.mean([one.ci95[0] <= centre <= one.ci95[1] for one in found]) >= 0.88


def test_wide_features_use_fewer_groups_to_bound_memory(measure):
    wide = [random_features(14, seed=seed, dimension=600, slices=3) for seed in (0, 1)]
    assert "10 real and 10 synthetic groups" in measure(*wide).ci_method


@pytest.mark.parametrize("dimension", [6, 90])
def test_a_replicate_is_the_value_without_its_subjects(measure, dimension):
    """More slices than features, and fewer: six subjects are six groups."""
    real, synthetic = (random_features(6, seed=seed, dimension=dimension, shift=seed * 0.5) for seed in (0, 1))
    found = measure(real, synthetic)
    for side, features in (("real", real), ("synthetic", synthetic)):
        fewer = {plane: [*volumes[:2], *volumes[3:]] for plane, volumes in features.items()}
        without = measure(fewer, synthetic) if side == "real" else measure(real, fewer)
        assert found.replicates[side].values[2] == pytest.approx(without.value, rel=1e-7)
        assert found.replicates[side].sizes.tolist() == [1] * 6


def test_long_leaving_out_is_told_as_progress(make_side, make_evidence):
    told = []

    class Told:
        def track(self, items, *, task, total=None):
            told.append((task, total))
            yield from items

    wide = (random_features(5, seed=seed, dimension=600, slices=3) for seed in (0, 1))
    evidence = make_evidence(*(make_side(5, features=features) for features in wide))
    evidence.workspace.progress = Told()
    Fid25d().measure(evidence)
    assert told[:2] == [("fid25d of xy without parts of real", 5), ("fid25d of xy without parts of synthetic", 5)]
    assert len(told) == 6
