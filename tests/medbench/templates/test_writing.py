"""What ``medbench new`` writes works as it is, and never over a file of the user's."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import medbench
from medbench import SampleRequest, Volume, registry
from medbench.datasets.phantom.dataset import generate
from medbench.errors import MedbenchError, MissingExtraError, SpecError
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.progress import silent
from medbench.templates.writing import KINDS, class_name, rendered, write

SHAPE = (16, 16, 8)


def made(kind: str, folder: Path) -> str:
    """Write a template; return how it is named as a plug-in."""
    return f"{write(kind, f'my-{kind}', folder)}:{class_name(f'my-{kind}')}"


def phantoms(folder: Path, seeds: range, *, shift: int = 0) -> list[Volume]:
    volumes = [Volume(generate(seed, SHAPE)[0].voxels + np.int16(shift), np.eye(4)) for seed in seeds]
    for seed, volume in zip(seeds, volumes):
        volume.write(folder / f"{seed}.nii.gz")
    return volumes


@pytest.mark.parametrize("kind", KINDS)
def test_each_is_a_plugin_under_its_own_name(kind: str, tmp_path: Path) -> None:
    plugin = registry.load(KINDS[kind], made(kind, tmp_path))
    assert (plugin.__name__, plugin.info.name) == (class_name(f"my-{kind}"), f"my-{kind}")
    text = (tmp_path / f"my_{kind}.py").read_text(encoding="utf-8")
    assert "emplate" not in text  # nothing is left to be filled in
    assert all(line.startswith("from medbench import") for line in text.splitlines() if "medbench import" in line)


@pytest.mark.skipif(os.name != "posix", reason="the rights of files")
def test_a_template_is_no_program(tmp_path: Path) -> None:
    assert not write("metric", "mine", tmp_path).stat().st_mode & 0o111


def test_a_file_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    write("metric", "mine", tmp_path)
    (tmp_path / "mine.py").write_text("hours of work", encoding="utf-8")
    with pytest.raises(SpecError, match="is there already and stays as it is"):
        write("generator", "mine", tmp_path)
    assert (tmp_path / "mine.py").read_text(encoding="utf-8") == "hours of work"


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("metrics", "mine", "did you mean metric"),
        ("figure", "mine", "choose from metric, generator, dataset, extractor"),
        ("metric", "../mine", "is no name"),
        ("metric", "3d", "is no name"),
        ("metric", "mine.py", "is no name"),
        ("metric", "FID25d", "is taken by a metric"),
        ("extractor", "seeded_resnet", "is taken by a extractor"),
    ],
)
def test_what_cannot_be_made_is_refused(kind: str, name: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        rendered(kind, name)


@pytest.mark.parametrize(
    ("name", "file", "cls"), [("lung-texture", "lung_texture.py", "LungTexture"), ("FID_2", "fid_2.py", "FID2")]
)
def test_names_follow_python(name: str, file: str, cls: str, tmp_path: Path) -> None:
    assert write("metric", name, tmp_path).name == file
    assert class_name(name) == cls
    assert f"class {cls}:" in (tmp_path / file).read_text(encoding="utf-8")


def test_the_metric_measures(tmp_path: Path) -> None:
    real = phantoms(tmp_path / "real", range(6))
    samples = phantoms(tmp_path / "samples", range(10, 14), shift=50)
    metric = made("metric", tmp_path)
    report = medbench.evaluate(tmp_path / "samples", real=tmp_path / "real", metrics=[metric], device="cpu")
    [result] = report.results
    means = [np.mean([volume.voxels.mean() for volume in side]) for side in (real, samples)]
    assert result.value == pytest.approx(abs(means[0] - means[1]))
    assert result.metric == "my-metric" and result.unit == "HU"
    assert result.ci95 is not None and result.ci95[0] < result.value < result.ci95[1]
    assert result.floor is not None


def test_the_extractor_is_what_a_protocol_sees_slices_with(tmp_path: Path) -> None:
    phantoms(tmp_path / "real", range(5))
    phantoms(tmp_path / "samples", range(10, 14), shift=200)
    extractor = made("extractor", tmp_path)
    protocol = tmp_path / "mine.toml"
    protocol.write_text(f'name = "mine"\nsummary = "own"\nextractor = "{Path(extractor).as_posix()}"\n', "utf-8")
    options = {"real": tmp_path / "real", "protocol": str(protocol), "device": "cpu"}
    [result] = medbench.evaluate(tmp_path / "samples", metrics=["kid25d"], **options).results  # type: ignore[arg-type]
    assert result.value > 0 and not result.stand_ins
    assert "my-extractor" in str(result.protocol)
    [itself] = medbench.evaluate(tmp_path / "real", metrics=["fid25d"], **options).results  # type: ignore[arg-type]
    assert itself.value == pytest.approx(0, abs=1e-6)


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """Ten patients, one of whom has two volumes."""
    for patient in range(10):
        phantoms(tmp_path / "data" / f"p{patient}", range(patient, patient + 1))
    phantoms(tmp_path / "data" / "p0", range(20, 21))
    return tmp_path / "data"


def test_the_data_set_is_the_real_side_of_a_run(patients: Path, tmp_path: Path) -> None:
    dataset = made("dataset", tmp_path)
    options = RunOptions(
        model="real", dataset=dataset, data_root=patients, metrics=("mmd3d",), out=tmp_path / "out", device="cpu",
        workers=1,
    )  # fmt: skip
    [result] = Run(options, silent).report().results
    assert (result.n_real, result.n_synthetic) == (7, 2)
    before = Run(options, silent).dataset.identity()
    phantoms(patients / "p0", range(21, 22))
    assert Run(options, silent).dataset.identity() != before
    plugin = registry.load("datasets", dataset)
    assert all(row["ok"] for row in plugin(patients).verify())
    held_out = {case.patient for case in plugin(patients).cases("test")}
    assert held_out == {"p4", "p9"} and not held_out & {case.patient for case in plugin(patients).cases("train")}
    with pytest.raises(MedbenchError, match="give its folder with --data-root"):
        plugin(None).cases("test")


def test_the_generator_is_trained_sampled_and_measured(toy_dataset: str, tmp_path: Path) -> None:
    generator = made("generator", tmp_path)
    options = RunOptions(
        model=generator, dataset=toy_dataset, train=True, samples=4, settings=("components=2",),
        metrics=("mmd3d", "reconstruction"), out=tmp_path / "out", device="cpu", workers=1,
    )  # fmt: skip
    report = Run(options, silent).report()
    assert [result.metric for result in report.results] == ["mmd3d", "reconstruction"]
    assert Run(options, silent).spec.preset == "plain[components=2]"
    plugin = registry.load("generators", generator)
    [checkpoint] = (tmp_path / "out" / "fit").glob("*.safetensors")
    loaded = plugin("plain", device="cpu")
    loaded.load(checkpoint)
    assert len(loaded.components) == 2
    first, again, other = loaded.sample(SampleRequest(seeds=[5, 5, 6]))
    assert np.array_equal(first.voxels, again.voxels) and not np.array_equal(first.voxels, other.voxels)
    with pytest.raises(MissingExtraError, match="train it with --train"):
        loaded.default_checkpoint()
    checkpoint.write_bytes(b"no numbers")
    with pytest.raises(MedbenchError, match="is no checkpoint of my-generator"):
        loaded.load(checkpoint)
