"""One pass over the volumes: one read of each, equal numbers on any number of workers, no failure costs others."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from medbench import plugin_files
from medbench.datasets.phantom.dataset import generate
from medbench.errors import IntensityError, MedbenchError
from medbench.evaluation import evaluation
from medbench.imaging.volume import LabelMap, Volume
from medbench.pipeline.folder import FolderEvaluation
from medbench.pipeline.options import FolderOptions, RunOptions
from medbench.pipeline.run import Run
from medbench.progress import silent
from medbench.records.results import Report
from medbench.storage.home import home

TESTS = Path(__file__).parents[2]
GOLDEN = TESTS / "golden"
SHAPE = (32, 32, 16)
COUNT = 4
# A metric of two functions of a volume, of which one fails where a file says so, and leaves a trace of each call.
METRIC = """
import os
from pathlib import Path

import numpy as np

from medbench.metrics.base import Measurement, MetricInfo
from medbench.metrics.evidence import Derivation

HERE = Path(__file__).parent


def mean(volume):
    return {"mean": np.array(volume.voxels.mean())}


def fragile(volume):
    with (HERE / "calls.txt").open("a") as file:
        file.write(f"{os.getpid()}\\\\n")
    if (HERE / "fail").exists():
        raise ValueError("the file says so")
    if (HERE / "die").exists():
        os._exit(9)
    return mean(volume)


def derived(*functions):
    return tuple(Derivation(one.__name__, one, ("volume",), {"version": 1}) for one in functions)


class Means:
    info = MetricInfo(
        name="means", version="1", summary="s", better="lower", unit=None, min_real=2, min_synthetic=2, source="t",
        floor="none", derives=lambda protocol: derived(mean),
    )

    def measure(self, evidence):
        return self.difference(evidence, mean)

    def difference(self, evidence, function):
        (what,) = derived(function)
        real, synthetic = (
            np.mean([one["mean"] for one in what.from_side(side)]) for side in (evidence.real, evidence.synthetic)
        )
        return Measurement(float(abs(real - synthetic)), None, "none")


class Fragile(Means):
    info = MetricInfo(
        name="fragile", version="1", summary="s", better="lower", unit=None, min_real=2, min_synthetic=2, source="t",
        floor="none", derives=lambda protocol: derived(fragile),
    )

    def measure(self, evidence):
        return self.difference(evidence, fragile)
"""


@pytest.fixture
def metrics(tmp_path: Path) -> tuple[str, str]:
    file = tmp_path / "theirs.py"
    file.write_text(METRIC.replace("\\\\n", "\\n"), encoding="utf-8")
    return f"{file}:Means", f"{file}:Fragile"


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Options that name a folder of samples and one of real volumes, with masks that stand for a segmenter."""
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))  # nothing is cached yet
    for side, first in (("samples", 0), ("real", COUNT)):
        for seed in range(first, first + COUNT):
            volume, labels = generate(seed, SHAPE)
            volume.write(tmp_path / side / f"{seed}.nii.gz")
            labels.write(tmp_path / f"{side}-masks" / f"{seed}.nii.gz")
    return {
        "samples": tmp_path / "samples", "real": tmp_path / "real", "masks": tmp_path / "samples-masks",
        "real_masks": tmp_path / "real-masks", "segmenter": "precomputed", "device": "cpu", "out": tmp_path / "out",
    }  # fmt: skip


def evaluated(options: dict[str, Any], **further: Any) -> Report:
    return FolderEvaluation(FolderOptions(**options | further), silent).evaluate()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return how often each file was read when all metrics were measured: pictures read a handful once more."""
    counts: Counter[str] = Counter()
    for kind in (Volume, LabelMap):
        read = kind.read

        def counted(path: Path, *rest: Any, read: Any = read) -> Any:
            counts[str(path)] += 1
            return read(path, *rest)

        monkeypatch.setattr(kind, "read", counted)
    measured: dict[str, int] = {}
    measure_all = evaluation.measure_all

    def noted(*arguments: Any, **named: Any) -> Any:
        counts.clear()  # what preparing and sampling read is not the evaluation's
        found = measure_all(*arguments, **named)
        measured.update(counts)
        return found

    monkeypatch.setattr(evaluation, "measure_all", noted)
    return measured


def test_each_volume_and_each_mask_is_read_once(folders: dict[str, Any], reads: dict[str, int]) -> None:
    report = evaluated(folders)
    assert {one.metric for one in report.results} >= {"fid25d", "fid3d", "hu", "rvr"}
    sides = ("samples", "real", "masks", "real_masks")
    files = [str(path) for side in sides for path in Path(folders[side]).iterdir()]
    assert reads == dict.fromkeys(files, 1)


def test_a_steered_run_reads_once_what_it_compares_reconstructs_and_searches_for_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: dict[str, int]
) -> None:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    protocol = tmp_path / "p.toml"
    text = (TESTS / "data" / "golden" / "protocol.toml").read_text(encoding="utf-8")
    seen = (("segmenter", "Thresholds"), ("volume_extractor", "Volumes"))
    instruments = "".join(f'{field} = "{GOLDEN / "instruments.py"}:{name}"\n' for field, name in seen)
    protocol.write_text(instruments + text, encoding="utf-8")
    undrawn = lambda self, measured, *_: ((one.result, []) for _, one in measured)  # noqa: E731
    monkeypatch.setattr(evaluation.Evaluation, "_with_figures", undrawn)
    monkeypatch.setattr(evaluation, "keep_gallery", lambda *_: None)
    metrics = ("fid3d", "adherence", "memorization", "reconstruction")
    options = RunOptions(
        model=f"{GOLDEN / 'volumes.py'}:GoldenGenerator", dataset=f"{GOLDEN / 'volumes.py'}:GoldenDataset",
        protocol=str(protocol), metrics=metrics, samples=8, conditional=True, device="cpu", workers=1,
        out=tmp_path / "run",
    )  # fmt: skip
    with plugin_files.import_file(GOLDEN / "trained.py").trained_parts_replaced():
        report = Run(options, silent).evaluate()
    assert {one.metric for one in report.results} == set(metrics)
    read = {Path(path).relative_to(tmp_path).as_posix(): count for path, count in reads.items()}
    assert set(read.values()) == {1}, {path: count for path, count in read.items() if count > 1}
    kinds = Counter("/".join(path.split("/")[:2]) for path in read)
    volumes = 28 + 9  # training and held-out
    assert kinds == {"home/prepared": volumes + 9, "home/cache": volumes + 8, "run/samples": 2 * 8}


def numbers(report: Report) -> list[dict[str, Any]]:
    return [one.model_dump(mode="json", exclude={"seconds"}) for one in report.results]


@pytest.mark.slow
def test_two_workers_give_the_numbers_of_one_to_the_last_digit(
    folders: dict[str, Any], metrics: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for workers in (1, 2):
        monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / f"home{workers}"))
        out = tmp_path / f"out{workers}"
        found.append(evaluated(folders, workers=workers, out=out, metrics=("fid25d", "fid3d", "hu", metrics[0])))
    assert numbers(found[0]) == numbers(found[1])


def test_workers_compute_what_metrics_declare(
    folders: dict[str, Any], metrics: tuple[str, str], tmp_path: Path
) -> None:
    report = evaluated(folders, workers=2, metrics=metrics)
    assert [one.metric for one in report.results] == ["means", "fragile"]
    calls = (tmp_path / "calls.txt").read_text(encoding="utf-8").split()
    assert len(calls) == 2 * COUNT
    assert str(os.getpid()) not in calls


def test_a_metric_that_fails_in_the_pass_costs_no_other(
    folders: dict[str, Any], metrics: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "fail").touch()
    report = evaluated(folders, metrics=(metrics[1], metrics[0]))
    assert [one.metric for one in report.results] == ["means"]
    assert [(one.metric, "the file says so" in one.reason) for one in report.skipped] == [("fragile", True)]


def test_a_killed_worker_is_told_in_a_line_and_what_was_computed_stays(
    folders: dict[str, Any], metrics: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "die").touch()
    with pytest.raises(MedbenchError, match=r"a worker process was killed .* fewer --workers"):
        evaluated(folders, workers=2, metrics=metrics)
    assert list((home() / "cache" / "derived-mean").rglob("*.npz"))
    (tmp_path / "die").unlink()
    assert [one.metric for one in evaluated(folders, metrics=metrics).results] == ["means", "fragile"]


def test_the_gate_refuses_before_anything_dear_is_computed(
    folders: dict[str, Any], metrics: tuple[str, str], tmp_path: Path
) -> None:
    volume = generate(99, SHAPE)[0]
    Volume((volume.voxels // 100).clip(0, 5).astype("int16"), volume.affine).write(tmp_path / "real" / "0.nii.gz")
    (tmp_path / "real-masks" / "0.nii.gz").write_bytes((tmp_path / "real-masks" / "4.nii.gz").read_bytes())
    with pytest.raises(IntensityError, match=r"0\.nii\.gz"):
        evaluated(folders, metrics=metrics)
    assert not (tmp_path / "calls.txt").exists()  # the reference comes first, and its first volume is refused


def test_volumes_on_different_grids_are_refused_unseen(
    folders: dict[str, Any], metrics: tuple[str, str], tmp_path: Path
) -> None:
    generate(98, (16, 16, 8))[0].write(tmp_path / "samples" / "98.nii.gz")
    (tmp_path / "samples-masks" / "98.nii.gz").write_bytes((tmp_path / "samples-masks" / "0.nii.gz").read_bytes())
    with pytest.raises(MedbenchError, match="give --shape"):
        evaluated(folders, metrics=metrics)
    assert not (tmp_path / "calls.txt").exists()


def test_one_bar_leads_through_the_evaluation(folders: dict[str, Any], metrics: tuple[str, str], noting: Any) -> None:
    progress = noting()
    for _ in range(2):
        FolderEvaluation(FolderOptions(**folders, metrics=metrics), progress).evaluate()
    read = [("read samples", COUNT), ("read real", COUNT)]
    assert progress.tasks == [*read, ("evaluate", 2 * COUNT + 2), *read]  # the second time the results stand
    assert progress.notes == []


def test_a_damaged_entry_is_told_and_made_again(folders: dict[str, Any], metrics: tuple[str, str], noting: Any) -> None:
    first = evaluated(folders, metrics=metrics)
    entry = next((home() / "cache" / "derived-mean").rglob("*.npz"))
    entry.write_bytes(b"damaged")
    progress = noting()
    options = FolderOptions(**folders | {"out": folders["out"].with_name("again")}, metrics=metrics)
    again = FolderEvaluation(options, progress).evaluate()
    assert numbers(again) == numbers(first)
    (note,) = progress.notes
    assert str(entry) in note


def test_without_masks_and_segmenter_the_other_metrics_are_computed(
    folders: dict[str, Any], metrics: tuple[str, str]
) -> None:
    bare = {name: folders[name] for name in ("samples", "real", "device", "out")}
    report = evaluated(bare, metrics=("hu", "adherence", metrics[0]))
    assert [one.metric for one in report.results] == ["means"]
    assert {one.metric for one in report.skipped} == {"hu", "adherence"}
