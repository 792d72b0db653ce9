"""The plug-ins that docs/plugins shows work as they stand there."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import medbench
from medbench import Volume
from medbench.datasets.phantom.dataset import generate
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.progress import silent

PAGES = Path(__file__).parents[1] / "docs" / "plugins"
SHAPE = (16, 16, 8)


def blocks(page: str, language: str) -> str:
    text = (PAGES / f"{page}.md").read_text(encoding="utf-8")
    return "\n\n".join(re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL))


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two folders of volumes, in the folder that commands are run in."""
    for side, first in (("real", 0), ("samples", 10)):
        for seed in range(first, first + 5):
            volume, _ = generate(seed, SHAPE)
            Volume(volume.voxels, volume.affine).write(tmp_path / side / f"{seed}.nii.gz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_metric(folders: Path) -> None:
    (folders / "mine.py").write_text(blocks("metric", "python"), encoding="utf-8")
    [result] = medbench.evaluate("samples", real="real", metrics=["mine.py:MeanHu"], device="cpu").results
    assert result.ci95 is not None and result.floor is not None
    [itself] = medbench.evaluate("real", real="real", metrics=["mine.py:MeanHu"], device="cpu").results
    assert itself.value == 0


def test_the_extractor_under_the_pages_protocol(folders: Path) -> None:
    (folders / "my_net.py").write_text(blocks("extractor", "python"), encoding="utf-8")
    (folders / "mine.toml").write_text(blocks("extractor", "toml"), encoding="utf-8")
    report = medbench.evaluate("samples", real="real", metrics=["fid25d"], protocol="mine.toml", device="cpu")
    [result] = report.results
    assert np.isfinite(result.value) and not result.stand_ins


def test_the_data_set(folders: Path) -> None:
    (folders / "mine.py").write_text(blocks("dataset", "python"), encoding="utf-8")
    (folders / "data").mkdir()
    (folders / "real").rename(folders / "data" / "train")
    options = {"dataset": "mine.py:Flat", "data_root": "data", "metrics": ["mmd3d"], "device": "cpu"}
    [result] = medbench.evaluate("samples", **options).results  # type: ignore[arg-type]
    assert result.n_real == 5


def test_the_generator_and_its_settings(folders: Path, toy_dataset: str) -> None:
    (folders / "mine.py").write_text(blocks("generator", "python"), encoding="utf-8")

    def run(name: str, *settings: str) -> Run:
        return Run(
            RunOptions(
                model=f"mine.py:{name}",
                dataset=toy_dataset,
                samples=3,
                metrics=("mmd3d",),
                device="cpu",
                workers=1,
                settings=settings,
                out=folders / name,
            ),
            silent,
        )

    assert [result.metric for result in run("Noise").report().results] == ["mmd3d"]
    assert run("MyModel", "steps=50").spec.preset == "plain[steps=50]"
