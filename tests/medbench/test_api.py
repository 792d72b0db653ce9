"""The doors for scripts: what they take, they take alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

import medbench
from medbench.datasets.phantom.dataset import PhantomDataset, generate

SHAPE = (32, 32, 16)


class MeanHu:
    info: ClassVar = medbench.MetricInfo(
        name="mean-hu", version="1", summary="test", better="lower", unit="HU", min_real=2, min_synthetic=2, source="-"
    )

    def measure(self, evidence: medbench.Evidence) -> medbench.Measurement:
        means = [np.mean([v.voxels.mean() for v in side.volumes()]) for side in (evidence.real, evidence.synthetic)]
        return medbench.Measurement.of(float(abs(means[0] - means[1])), medbench.NOT_ASKED)


@pytest.fixture(scope="module")
def real() -> list[medbench.Volume]:
    return [generate(seed, SHAPE)[0] for seed in range(5)]


@pytest.fixture(scope="module")
def samples() -> list[medbench.Volume]:
    return [generate(seed, SHAPE)[0] for seed in range(10, 14)]


@pytest.fixture(scope="module")
def files(real: Any, samples: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("files")
    for name, volumes in (("real", real), ("samples", samples)):
        for index, volume in enumerate(volumes):
            volume.write(root / name / f"{index}.nii")
    (root / "cases.csv").write_text("file\n" + "".join(f"samples/{i}.nii\n" for i in range(4)), encoding="utf-8")
    return root


def test_the_same_volumes_score_the_same_whatever_they_come_as(real: Any, samples: Any, files: Path) -> None:
    batch = torch.tensor(np.stack([volume.voxels for volume in samples]))[:, None]
    sources = [
        (files / "samples", files / "real"),
        (f"{files}/samples/*.nii", sorted((files / "real").iterdir())),
        (f"{files}/cases.csv:file", real),
        ((files / "cases.csv", "file"), iter(real)),
        (samples, files / "real"),
        (batch, files / "real"),
    ]
    found = [
        medbench.evaluate(one, real=other, spacing=real[0].spacing_mm, metrics=["fid25d"], device="cpu").results[0]
        for one, other in sources
    ]
    assert len({(result.value, result.floor, result.fingerprint) for result in found}) == 1


def test_a_metric_of_a_class_is_the_same_as_that_of_its_file(real: Any, samples: Any) -> None:
    by_class, by_name = (
        medbench.evaluate(samples, real=real, metrics=[metric], device="cpu").results[0]
        for metric in (MeanHu, f"{__file__}:MeanHu")
    )
    assert by_class.fingerprint == by_name.fingerprint
    assert by_class.value == by_name.value


def test_a_data_set_comes_as_name_class_instance_or_loaded(samples: Any, toy_dataset: str) -> None:
    from medbench import registry

    kind = registry.load("datasets", toy_dataset)
    found = [
        medbench.evaluate(samples, dataset=one, metrics=["fid25d"], device="cpu")
        for one in (toy_dataset, kind, kind(), medbench.load_dataset(kind()), medbench.load_dataset(toy_dataset))
    ]
    assert len({(report.track, report.results[0].fingerprint) for report in found}) == 1


def test_loading_takes_a_name_a_class_or_an_instance() -> None:
    phantom = PhantomDataset()
    assert medbench.load_dataset(phantom).dataset is phantom
    assert isinstance(medbench.load_dataset(PhantomDataset).dataset, PhantomDataset)
    assert isinstance(medbench.load_dataset("phantom").dataset, PhantomDataset)


def test_results_of_an_object_stand_when_it_comes_again(samples: Any, real: Any, tmp_path: Path) -> None:
    keywords = {"real": real, "metrics": [MeanHu], "device": "cpu", "out": tmp_path / "out"}
    first = medbench.evaluate(samples, **keywords)
    written = (tmp_path / "out" / "results.json").stat().st_mtime_ns
    assert medbench.evaluate(samples, **keywords) == first
    assert (tmp_path / "out" / "results.json").stat().st_mtime_ns == written


def test_no_scratch_stays_behind(samples: Any, real: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    medbench.evaluate(samples, real=real, metrics=["fid25d"], device="cpu")
    with pytest.raises(medbench.NotEnoughCasesError):
        medbench.evaluate(samples[:1], real=real, metrics=["fid25d"], device="cpu")
    assert list(tmp_path.iterdir()) == []


def test_a_segmenter_is_given_by_name(samples: Any, real: Any) -> None:
    with pytest.raises(medbench.SpecError, match="a segmenter is given by its name, and Mine came as an object"):
        medbench.evaluate(samples, real=real, segmenter=type("Mine", (), {}), device="cpu")  # type: ignore[arg-type]
