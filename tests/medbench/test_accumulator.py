"""Judging samples as they are made: the same numbers, the real side once, and nothing left behind."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import medbench
from medbench.datasets.phantom.dataset import generate
from medbench.features.seeded import SeededResNet
from medbench.storage.home import home

SHAPE = (32, 32, 16)


def phantoms(seeds: range) -> list[medbench.Volume]:
    return [generate(seed, SHAPE)[0] for seed in seeds]


@pytest.fixture(scope="module")
def real() -> list[medbench.Volume]:
    return phantoms(range(5))


@pytest.fixture(scope="module")
def batch() -> torch.Tensor:
    """Four samples as a network makes them: (n, 1, x, y, z), float, on its graph."""
    voxels = np.stack([volume.voxels for volume in phantoms(range(20, 24))])
    return torch.from_numpy(voxels.astype(np.float32))[:, None].requires_grad_()


@pytest.fixture
def judge(real: Any) -> Iterator[medbench.Accumulator]:
    with medbench.Accumulator(
        real=real, metrics=["fid25d", "kid25d"], spacing=real[0].spacing_mm, device="cpu"
    ) as accumulator:
        yield accumulator


def values(report: medbench.Report) -> list[Any]:
    return [(one.metric, one.value, one.ci95, one.floor, one.fingerprint) for one in report.results]


def test_the_numbers_are_those_of_evaluate(judge: Any, real: Any, batch: Any) -> None:
    for part in batch.split(2):
        judge.update(part)
    found = judge.compute()
    expected = medbench.evaluate(
        batch, real=real, spacing=real[0].spacing_mm, metrics=["fid25d", "kid25d"], device="cpu"
    )
    assert values(found) == values(expected)
    assert (found.track, found.skipped) == (expected.track, expected.skipped)
    assert [(row["check"], row["files"]) for row in found.gate] == [
        (row["check"], row["files"]) for row in expected.gate
    ]
    judge.update(medbench.Volume(real[0].voxels, real[0].affine))
    assert [one.n_synthetic for one in judge.compute().results] == [5, 5]


def test_files_of_one_name_are_different_samples(judge: Any, real: Any, tmp_path: Path) -> None:
    for place, volume in enumerate(real[:4]):
        volume.write(tmp_path / str(place) / "sample.nii.gz")
        judge.update(tmp_path / str(place) / "sample.nii.gz")
    assert judge.compute().results[0].n_synthetic == 4
    assert judge.compute().results[0].ci95 is not None


def test_every_volume_is_seen_by_the_network_once(real: Any, batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = 0
    features = SeededResNet.features

    def counted(self: Any, slices: np.ndarray) -> np.ndarray:
        nonlocal seen
        seen += len(slices)
        return features(self, slices)

    monkeypatch.setattr(SeededResNet, "features", counted)
    fresh = [medbench.Volume(volume.voxels + np.int16(3), volume.affine) for volume in real]
    with medbench.Accumulator(real=fresh, metrics=["fid25d"], spacing=real[0].spacing_mm, device="cpu") as judge:
        of_real, a_volume = seen, seen // 5
        assert a_volume > 0
        judge.update(batch + 5)
        assert seen == of_real + 4 * a_volume
        judge.compute()
        judge.reset()
        judge.update(batch + 7)
        judge.compute()
        assert seen == of_real + 8 * a_volume
    with medbench.Accumulator(real=fresh, metrics=["fid25d"], device="cpu"):
        assert seen == of_real + 8 * a_volume  # the real side lasts


def test_a_data_set_is_a_real_side_too(batch: Any, toy_dataset: str, real: Any) -> None:
    with medbench.Accumulator(
        dataset=toy_dataset, metrics=["fid25d"], device="cpu", spacing=real[0].spacing_mm
    ) as judge:
        judge.update(batch)
        found = judge.compute()
    assert found.dataset == "toy"
    assert found.results[0].floor is not None
    assert found.results[0].n_real == 8


def test_it_works_within_a_training_loop(judge: Any, batch: Any) -> None:
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(batch.detach()), batch_size=3)
    judge.update(batch)
    alone = values(judge.compute())
    judge.reset()
    parts = [part for (part,) in loader]  # a loader draws a seed of its own
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for part in parts:
            judge.update(part)
            assert torch.is_autocast_enabled("cpu")
        assert values(judge.compute()) == alone
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]  # noqa: NPY002
    assert torch.is_grad_enabled()


def test_reset_and_close_leave_nothing(real: Any, batch: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    judge = medbench.Accumulator(real=real, metrics=["fid25d"], spacing=real[0].spacing_mm, device="cpu")
    lasting = sorted((home() / "cache").rglob("*"))
    judge.update(batch + 11)
    assert len(judge) == 4
    kept = sum(1 for path in tmp_path.rglob("*") if path.is_file())
    for _ in range(2):
        judge.reset()
        assert len(judge) == 0
        judge.update(batch + 11)
        assert sum(1 for path in tmp_path.rglob("*") if path.is_file()) == kept
    assert sorted((home() / "cache").rglob("*")) == lasting
    judge.close()
    assert list(tmp_path.iterdir()) == []
    for use in (judge.compute, lambda: judge.update(batch)):
        with pytest.raises(medbench.SpecError, match="is closed"):
            use()
    forgotten = medbench.Accumulator(real=real, metrics=["fid25d"], device="cpu")
    assert list(tmp_path.iterdir()) != []
    del forgotten
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_has_collapsed_is_refused_and_the_loop_may_go_on(judge: Any, batch: Any) -> None:
    judge.update(torch.zeros_like(batch))
    with pytest.raises(medbench.IntensityError):
        judge.compute()
    judge.reset()
    judge.update(batch)
    assert judge.compute().results
    judge.reset()
    judge.update(batch[0, 0])
    with pytest.raises(medbench.NotEnoughCasesError):
        judge.compute()


def test_what_cannot_be_is_said_before_anything_is_computed(real: Any) -> None:
    with pytest.raises(medbench.SpecError, match="either dataset= or real="):
        medbench.Accumulator(metrics=["fid25d"])
    with pytest.raises(medbench.UnknownPluginError, match="did you mean fid25d"):
        medbench.Accumulator(real=real, metrics=["fid25"])
    with pytest.raises(medbench.MedbenchError, match="MEDBENCH_WEIGHTS_RADIMAGENET_RESNET50"):
        medbench.Accumulator(real=real, metrics=["fid25d"], protocol="medlord-2.5d", device="cpu")
