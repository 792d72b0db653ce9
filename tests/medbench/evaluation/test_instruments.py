"""What a instruments sees in a volume: computed once, keyed by everything that decides it."""

import pickle
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.errors import DataError, SpecError, Unavailable
from medbench.evaluation.instruments import Autoencoder, Instruments
from medbench.evaluation.side import StoredSide
from medbench.features.seeded import SeededResNet3d
from medbench.imaging.grid import to_grid
from medbench.imaging.volume import LabelMap, Volume
from medbench.records.samples import StoredVolume
from medbench.spec import Grid, Window

SHAPE = (16, 16, 8)


class Counting:
    """A function of a volume's inputs that knows how often it was called."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, *inputs: Volume | LabelMap) -> Mapping[str, np.ndarray]:
        self.calls += 1
        return {"mean": np.array([one.voxels.mean() for one in inputs])}


def derive(lab: Instruments, item: StoredVolume, function: Counting, version: int = 1) -> np.ndarray:
    [found] = StoredSide([item], lab, name="real").derived(
        "means", function, of=("volume", "mask"), settings={"version": version}
    )
    return found["mean"]


def test_what_is_derived_is_computed_once(item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]) -> None:
    function, lab = Counting(), instruments(tmp_path)
    first = derive(lab, item, function)
    np.testing.assert_array_equal(derive(instruments(tmp_path), replace(item, id="other name"), function), first)
    assert function.calls == 1
    assert first[0] == pytest.approx(Volume.read(item.path).voxels.mean())


def test_settings_grid_and_the_masks_content_are_parts_of_the_key(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    function = Counting()
    derive(instruments(tmp_path), item, function)
    derive(instruments(tmp_path), item, function, version=2)
    derive(instruments(tmp_path, grid=Grid(shape=(8, 8, 8))), item, function)
    _, other = generate(1, SHAPE)
    other.write(tmp_path / "other.nii.gz")
    derive(instruments(tmp_path), replace(item, mask=tmp_path / "other.nii.gz"), function)
    assert function.calls == 4


def test_a_network_of_the_wrong_kind_is_refused(tmp_path: Path, instruments: Callable[..., Any]) -> None:
    with pytest.raises(SpecError, match="sees slices"):
        _ = instruments(tmp_path, volume_extractor="seeded-resnet").volume_extractor


def test_only_what_is_computed_is_told_as_progress(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any], noting: Any
) -> None:
    lab = instruments(tmp_path)
    lab.progress = noting()
    for _ in range(2):
        derive(lab, item, Counting())
    assert lab.progress.tasks == [("means of real", 1)]


def test_a_networks_own_grid_and_window_are_used_and_enter_its_description(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = instruments(tmp_path)
    plain = lab.describe("volume_extractor")
    [before] = StoredSide([item], lab, name="real").volume_features()
    own = replace(SeededResNet3d.info, grid=Grid(shape=(8, 8, 8), fit="resize"), window=Window(low=-1000, high=0))
    monkeypatch.setattr(SeededResNet3d, "info", own)
    told = instruments(tmp_path).describe("volume_extractor")
    assert told == plain | {"grid": own.grid.model_dump(mode="json"), "window": {"low": -1000.0, "high": 0.0}}
    [found] = StoredSide([item], instruments(tmp_path), name="real").volume_features()
    seen = (to_grid(Volume.read(item.path), own.grid).voxels.astype(np.float32).clip(-1000, 0) + 1000) / 1000
    np.testing.assert_allclose(found, SeededResNet3d(device="cpu").features(seen), rtol=1e-5)
    assert not np.allclose(found, before, rtol=1e-3), "what was kept of the other input is not taken"


def reconstructed(lab: Instruments, item: StoredVolume, function: Counting) -> np.ndarray:
    of = ("volume", "reconstructed")
    [found] = StoredSide([item], lab, name="held-out").derived("pairs", function, of=of, settings={"version": 1})
    return found["mean"]


def test_what_an_autoencoder_makes_is_kept_under_its_identity(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    darker = Autoencoder(lambda volume: Volume(volume.voxels - np.int16(1), volume.affine), {"weights": "a"})
    lab, function = replace(instruments(tmp_path), autoencoder=darker), Counting()
    for _ in range(2):
        volume, again = reconstructed(lab, item, function)
        assert again == volume - 1
    assert function.calls == 1
    reconstructed(replace(lab, autoencoder=replace(darker, identity={"weights": "b"})), item, function)
    assert function.calls == 2


def test_the_autoencoder_stays_where_it_is(item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]) -> None:
    lab = replace(instruments(tmp_path), autoencoder=Autoencoder(lambda volume: volume, {}))
    assert lab.for_workers("cpu").autoencoder is lab.autoencoder  # threads of this process
    elsewhere = pickle.loads(pickle.dumps(lab.for_workers("cpu")))
    with pytest.raises(Unavailable, match="there is no autoencoder"):
        elsewhere.open(item).reconstruction()


def test_a_reconstruction_of_another_shape_is_refused(
    item: StoredVolume, tmp_path: Path, instruments: Callable[..., Any]
) -> None:
    halved = Autoencoder(lambda volume: Volume(volume.voxels[::2], volume.affine), {})
    with pytest.raises(DataError, match=r"returned v with shape \(8, 16, 8\), not \(16, 16, 8\)"):
        replace(instruments(tmp_path), autoencoder=halved).open(item).reconstruction()
