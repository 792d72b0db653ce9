from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import NotEnoughCasesError, Unavailable
from medbench.imaging.volume import Volume
from medbench.metrics.memorization.copies import Recipe
from medbench.metrics.memorization.metric import Memorization

SHAPE = (32, 32, 16)
TRAINING, HELD_OUT, FRESH = 24, 16, 12
RECIPE = Recipe(steps=250, batch=12)


@pytest.fixture(scope="module")
def phantoms() -> list[Volume]:
    return [generate(seed, SHAPE)[0] for seed in range(TRAINING + HELD_OUT + FRESH)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One folder for all tests: those on the same training volumes share their encoder, as runs do."""
    return tmp_path_factory.mktemp("workspace")


def copy_of(volume: Volume, seed: int) -> Volume:
    """Return what a generator that memorises might make: moved by a voxel, with noise of its own."""
    rng = np.random.default_rng(seed)
    moved = np.roll(volume.voxels, rng.integers(-1, 2, 2), axis=(0, 1)).astype(np.float32)
    return Volume(moved + rng.normal(0, 10, SHAPE).astype(np.float32), volume.affine)


@pytest.fixture
def measure(make_side, make_evidence, phantoms, shared):
    def measured(samples, *, training=None, held_out=None, recipe=RECIPE, workspace=shared, **options):
        training = phantoms[:TRAINING] if training is None else training
        held_out = phantoms[TRAINING : TRAINING + HELD_OUT] if held_out is None else held_out
        sides = [make_side(len(scans), scans=scans) for scans in (training, samples, held_out)]
        evidence = make_evidence(sides[0], sides[1], held_out=sides[2], **options)
        evidence.workspace.root = workspace
        return Memorization(recipe).measure(evidence)

    return measured


@pytest.fixture(scope="module")
def copies(phantoms) -> list[Volume]:
    return [copy_of(volume, seed) for seed, volume in enumerate(phantoms[:FRESH])]


@pytest.fixture(scope="module")
def fresh(phantoms) -> list[Volume]:
    return phantoms[-FRESH:]


def test_copies_are_found(measure, copies):
    found = measure(copies)
    copied, floor = found.parts["copied"], found.parts["copied_floor"]
    assert copied >= 0.9
    assert floor == pytest.approx(1 / (HELD_OUT + 1))
    assert found.value == pytest.approx((copied - floor) / (1 - floor))
    assert 0.5 < found.ci95[0] < found.value <= found.ci95[1]
    assert found.parts["nn_ratio"] < 0.5
    assert found.parts["memorized"] >= 0.9 * FRESH / TRAINING
    assert found.parts["median_ratio"] < found.parts["threshold_ratio"] <= found.parts["median_ratio_floor"]


def test_the_table_names_what_was_copied(measure, copies):
    table = measure(copies).table
    samples = table[table["side"] == "synthetic"]
    right = samples["id"] == samples["nearest_training"]  # copy i is made of training volume i
    assert right.mean() >= 0.9
    assert samples.loc[right, "ncc"].min() > 0.99
    assert list(table.columns) == [
        "side",
        "id",
        "subject",
        "nearest_training",
        "similarity",
        "ncc",
        "ratio",
        "flagged",
    ]
    assert (table["side"] == "held_out").sum() == HELD_OUT


def test_strangers_score_about_zero(measure, fresh):
    found = measure(fresh)
    assert found.ci95[0] == 0 <= found.value < found.ci95[1]
    assert found.parts["copied"] <= 0.2
    assert 0.7 < found.parts["nn_ratio"] < 1.4


def test_half_copies_score_about_half(measure, copies, fresh):
    found = measure(copies[::2] + fresh[::2])
    assert found.parts["copied"] == pytest.approx(0.5, abs=0.1)
    assert measure(copies).value > found.value > measure(fresh).value


def test_held_out_volumes_as_samples_are_no_copies_of_training(measure, phantoms):
    """The sides swapped would call them copies: they equal the held-out volumes, not the training ones."""
    found = measure(phantoms[TRAINING : TRAINING + HELD_OUT])
    assert found.value == 0 and found.ci95[0] == 0
    assert "nn_ratio" not in found.parts
    assert "distance to the nearest of them is 0" in found.skipped["nn_ratio"]


def test_the_threshold_is_the_smallest_ratio_of_few_held_out_volumes(measure, fresh):
    found = measure(fresh)
    held_out, samples = (found.table[found.table["side"] == side] for side in ("held_out", "synthetic"))
    assert found.parts["threshold_ratio"] == held_out["ratio"].min()
    assert (samples["flagged"] == (samples["ratio"] < held_out["ratio"].min())).all()
    assert found.notes[0].startswith("at these counts copying shows from 4 flagged of 12 sampled subjects on (33 %)")


def test_training_is_deterministic_and_happens_once(measure, phantoms, fresh, tmp_path):
    short = {"recipe": Recipe(steps=6, batch=6), "training": phantoms[:8]}
    first = measure(fresh, workspace=tmp_path / "a", **short)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*") if path.is_file()}
    again = measure(fresh, workspace=tmp_path / "a", **short)
    assert files == {path: path.stat().st_mtime_ns for path in (tmp_path / "a").rglob("*") if path.is_file()}
    elsewhere = measure(fresh, workspace=tmp_path / "b", **short)
    assert first.parts == again.parts == elsewhere.parts


def test_without_enough_volumes_it_says_so(measure, make_side, make_evidence, phantoms, fresh):
    sides = [make_side(8, scans=phantoms[:8]) for _ in range(2)]
    with pytest.raises(Unavailable, match="no held-out real volumes"):
        Memorization().measure(make_evidence(*sides))
    with pytest.raises(NotEnoughCasesError, match="8 held-out subjects or more for its threshold and floor, got 7"):
        measure(fresh, held_out=phantoms[:7])
    with pytest.raises(NotEnoughCasesError, match="8 real subjects or more, got 5"):
        measure(fresh, training=phantoms[:5])


def test_samples_of_another_shape_are_named(measure, phantoms):
    odd = Volume(phantoms[0].voxels[:, :, :8])
    with pytest.raises(Unavailable, match="v000 has another shape than the other volumes"):
        measure([odd, odd])


def test_several_volumes_of_a_patient_count_as_one(measure, make_side, make_evidence, phantoms, copies, fresh, shared):
    samples = make_side(4, scans=[*copies[:3], fresh[1]], subjects=["a", "a", "a", "b"])
    sides = [make_side(n, scans=scans) for n, scans in ((TRAINING, phantoms[:TRAINING]), (HELD_OUT, phantoms[24:40]))]
    evidence = make_evidence(sides[0], samples, held_out=sides[1])
    evidence.workspace.root = shared
    found = Memorization(RECIPE).measure(replace(evidence))
    assert found.parts["copied"] == pytest.approx(0.5)
    assert "2 sampled among 16 held-out subjects" in found.ci_method


@pytest.mark.slow
def test_the_default_recipe_finds_copies_among_64_phantoms(measure):
    volumes = [generate(seed)[0] for seed in range(64 + 16 + 12)]
    rng = np.random.default_rng(0)
    copies = [
        Volume(np.roll(one.voxels, 1, axis=0) + rng.normal(0, 15, one.shape).astype(np.float32), one.affine)
        for one in volumes[:12]
    ]
    known = {"training": volumes[:64], "held_out": volumes[64:80], "recipe": Recipe()}
    found, strangers = measure(copies, **known), measure(volumes[80:], **known)
    assert found.parts["copied"] == found.value == 1
    assert found.ci95[0] > 0
    assert strangers.ci95[0] == 0
