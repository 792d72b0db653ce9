from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medbench.datasets.phantom.dataset import generate
from medbench.evaluation.comparison import Comparison, StoredEvidence
from medbench.evaluation.gallery import MOST_SAMPLES, NEAREST, keep_gallery
from medbench.evaluation.instruments import Autoencoder
from medbench.imaging.volume import LabelMap, Volume
from medbench.metrics.base import MetricInfo
from medbench.records.gallery import Gallery
from medbench.records.results import Result
from medbench.records.samples import StoredVolume
from medbench.storage.files import sha256_of

SHAPE = (16, 16, 8)


def info(name: str, **declared: Any) -> MetricInfo:
    shared = {"version": "1", "summary": "", "better": "lower", "unit": None, "min_real": 2, "min_synthetic": 2}
    return MetricInfo(name=name, source="", **shared, **declared)


def result(metric: str, table: str | None = None) -> Result:
    return Result(
        metric=metric, value=1.0, ci95=None, ci_method="", floor=None, better="lower", unit=None, n_real=3,
        n_synthetic=5, parts={}, fingerprint="0" * 12, protocol={}, seconds=1.0, table=table,
    )  # fmt: skip


@pytest.fixture
def evidence(tmp_path: Path, instruments: Callable[..., Any]) -> StoredEvidence:
    """Five samples in a run folder, three real and two held-out volumes elsewhere; sample s3 is real volume r1."""

    def write(folder: str, name: str, seed: int) -> StoredVolume:
        volume, labels = generate(seed, SHAPE)
        path, mask = tmp_path / folder / f"{name}.nii.gz", tmp_path / folder / "masks" / f"{name}.nii.gz"
        volume.write(path)
        labels.write(mask)
        given = mask if folder == "real" else None
        return StoredVolume(name, name, path, sha256_of(path), mask=given, regions=dict(labels.names))

    samples = [write("run/samples", f"s{index}", 1 if index == 3 else 20 + index) for index in range(5)]
    real = [write("real", f"r{index}", index) for index in range(3)]
    held_out = [write("real", f"h{index}", 10 + index) for index in range(2)]
    return Comparison(samples, real, held_out, {}).evidence(instruments(tmp_path))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return tmp_path / "run"


def test_without_a_metric_that_compares_volumes_nothing_is_called_nearest(evidence: StoredEvidence, run: Path) -> None:
    gallery = keep_gallery(run, evidence, [result("hu")], [info("hu")])
    assert [pair.first.name for pair in gallery.pairs] == ["s0", "s1", "s2", "s3"]
    assert all(pair.beside is None and "nothing says" in pair.relation for pair in gallery.pairs)
    assert Gallery.read(run) == gallery


def test_a_copy_comes_first_beside_its_original_by_features(evidence: StoredEvidence, run: Path) -> None:
    gallery = keep_gallery(run, evidence, [result("mmd3d")], [info("mmd3d", needs=("volume_extractor",))])
    first = gallery.pairs[0]
    assert (first.first.name, first.beside and first.beside.name) == ("s3", "r1")
    assert "0 standard deviations" in first.relation
    assert str(evidence.protocol.volume_extractor) in first.relation
    assert len(gallery.pairs) == MOST_SAMPLES


def test_a_table_that_names_neighbours_is_believed_before_features(evidence: StoredEvidence, run: Path) -> None:
    (run / "tables").mkdir(parents=True)
    rows = [
        {"side": side, "id": f"s{index}", NEAREST: f"r{index % 3}", "similarity": 0.5, "ratio": 1 - index / 10}
        for side, index in [("synthetic", index) for index in range(5)] + [("held_out", 0)]
    ]
    pd.DataFrame(rows).to_csv(run / "tables" / "copies.csv", index=False)
    results = [result("mmd3d"), result("copies", "tables/copies.csv")]
    gallery = keep_gallery(run, evidence, results, [info("mmd3d", needs=("volume_extractor",)), info("copies")])
    assert [(pair.first.name, pair.beside.name) for pair in gallery.pairs if pair.beside] == [
        ("s4", "r1"), ("s0", "r0"), ("s1", "r1"), ("s2", "r2"),
    ]  # fmt: skip
    assert gallery.pairs[0].relation == "nearest training volume by copies: similarity 0.5, ratio 0.6"


def test_files_in_the_run_are_named_from_there_and_others_in_full(evidence: StoredEvidence, run: Path) -> None:
    gallery = keep_gallery(run, evidence, [result("mmd3d")], [info("mmd3d", needs=("volume_extractor",))])
    pair = gallery.pairs[0]
    assert pair.first.volume.file == "samples/s3.nii.gz"
    assert pair.beside is not None
    assert Path(pair.beside.volume.file) == evidence.real.items[1].path.resolve()


def test_regions_are_kept_where_there_are_any_and_else_the_reason(evidence: StoredEvidence, run: Path) -> None:
    gallery = keep_gallery(run, evidence, [result("mmd3d")], [info("mmd3d", needs=("volume_extractor",))])
    pair = gallery.pairs[0]
    assert pair.beside is not None and pair.beside.label_map is not None
    kept = LabelMap.read(run / pair.beside.label_map.file, pair.beside.regions)
    assert np.array_equal(kept.voxels, generate(1, SHAPE)[1].voxels)
    assert pair.beside.labels == "as given"
    assert pair.first.label_map is None
    assert pair.first.labels.startswith("none: s3.nii.gz has no mask")


def test_held_out_volumes_stand_beside_what_an_autoencoder_makes_of_them(evidence: StoredEvidence, run: Path) -> None:
    def darker(volume: Volume) -> Volume:
        return Volume(volume.voxels.astype(np.float32) - 1, volume.affine)

    assert evidence.held_out is not None
    instruments = replace(evidence.held_out.instruments, autoencoder=Autoencoder(darker, {}))
    held_out = replace(evidence.held_out, instruments=instruments)
    judged = info("reconstruction", judges="autoencoder")
    gallery = keep_gallery(run, replace(evidence, held_out=held_out), [result("reconstruction")], [judged])
    pairs = [pair for pair in gallery.pairs if pair.beside and pair.beside.kind == "made"]
    assert [pair.first.name for pair in pairs] == ["h0", "h1"]
    again = Volume.read(run / pairs[0].beside.volume.file)  # type: ignore[union-attr]
    window = evidence.protocol.window
    expected = (generate(10, SHAPE)[0].voxels - 1.0).clip(window.low, window.high)
    assert np.abs(again.voxels - expected).max() <= 0.5


def test_what_an_earlier_evaluation_kept_goes(evidence: StoredEvidence, run: Path) -> None:
    stale = run / "gallery" / "real-0-labels.nii.gz"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"")
    keep_gallery(run, evidence, [], [])
    assert not stale.exists()
