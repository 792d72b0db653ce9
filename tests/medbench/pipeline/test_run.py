"""A run: its folder, its resuming, and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medbench import protocols
from medbench.errors import SpecError
from medbench.generators.base import FitRequest
from medbench.pipeline.options import RunOptions
from medbench.pipeline.run import Run
from medbench.progress import silent
from medbench.records.manifest import Manifest
from medbench.records.results import Report
from medbench.spec import fingerprint

METRICS = ("fid25d", "reconstruction")


@pytest.fixture(scope="module")
def finished(anywhere: RunOptions, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("finished") / "run"
    return out, Run(replace(anywhere, out=out), silent).report()


@pytest.fixture
def report(finished: tuple[Path, Report], options: RunOptions) -> Report:
    """The results of a finished run, a copy of which lies in the folder of ``options``."""
    folder, found = finished
    assert options.out is not None
    shutil.copytree(folder, options.out)
    return found


def _values(report: Report) -> dict[str, object]:
    """Everything but the times, and the notes, which may name MEDBENCH_HOME."""
    return {r.metric: r.model_dump(exclude={"seconds", "notes"}) for r in report.results}


def test_a_run_leaves_the_layout_of_the_contract(report: Report, options: RunOptions) -> None:
    folder = options.out
    assert folder is not None
    expected = ["run.json", "results.json", "report.html", "samples/manifest.jsonl", "samples/000003.nii.gz"]
    expected += ["tables/fid25d.csv", "tables/reconstruction.csv", "figures/montage.png", "figures/reconstruction.png"]
    assert [name for name in expected if not (folder / name).is_file()] == []
    assert Report.read(folder / "results.json") == report
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert {name: stage["status"] for name, stage in record["stages"].items()} == dict.fromkeys(
        ("prepare", "sample", "evaluate", "report"), "done"
    )
    line = json.loads((folder / "samples/manifest.jsonl").read_text(encoding="utf-8").splitlines()[0])
    keys = {"index", "seed", "file", "sha256", "shape", "spacing", "native_shape", "condition", "condition_source"}
    keys |= {"checkpoint", "condition_sha256", "condition_regions", "checksum"}
    assert set(line) == keys | {"seconds"}


def test_every_number_carries_what_it_needs(report: Report) -> None:
    for result in report.results:
        assert result.fingerprint == fingerprint(result.protocol)
        assert (result.n_real, result.n_synthetic) == ((8, 4) if result.metric == "fid25d" else (4, 4))
        assert result.ci_method
        assert result.floor is not None or result.floor_note
        if result.ci95 is not None:
            assert result.ci95[0] <= result.value <= result.ci95[1]
    assert report.budget.kind == "absent"
    assert report.budget.stages["sample"].rss_bytes > 0


def test_the_same_command_again_computes_nothing(report: Report, options: RunOptions) -> None:
    assert options.out is not None
    before = {path: path.stat().st_mtime_ns for path in options.out.rglob("*.nii.gz")}
    results = (options.out / "results.json").stat().st_mtime_ns
    assert Run(options, silent).report() == report
    assert {path: path.stat().st_mtime_ns for path in options.out.rglob("*.nii.gz")} == before
    assert (options.out / "results.json").stat().st_mtime_ns == results


def test_a_lost_or_altered_sample_is_made_again_alike(report: Report, options: RunOptions) -> None:
    assert options.out is not None
    samples = options.out / "samples"
    before = {index: record.sha256 for index, record in Manifest(samples).records().items()}
    (samples / "000001.nii.gz").unlink()
    (samples / "000002.nii.gz").write_bytes(b"half a file")
    again = Run(options, silent).report()
    assert {index: record.sha256 for index, record in Manifest(samples).records().items()} == before
    assert _values(again) == _values(report)


def test_another_seed_makes_other_samples(options: RunOptions, tmp_path: Path) -> None:
    one, two = (Run(replace(options, seed=seed, out=tmp_path / str(seed)), silent) for seed in (1, 2))
    one.sample()
    two.sample()
    hashes = [{r.sha256 for r in Manifest(run.folder.samples).records().values()} for run in (one, two)]
    assert not hashes[0] & hashes[1]


def test_a_folder_of_another_spec_is_refused_and_kept(report: Report, options: RunOptions) -> None:
    assert options.out is not None
    before = (options.out / "run.json").read_bytes()
    with pytest.raises(SpecError, match=r"another spec \(different: seed\)"):
        Run(replace(options, seed=4), silent).report()
    assert (options.out / "run.json").read_bytes() == before


def test_more_samples_join_those_that_are_there(report: Report, options: RunOptions) -> None:
    assert options.out is not None
    first = (options.out / "samples/000000.nii.gz").stat().st_mtime_ns
    more = Run(replace(options, samples=6), silent).report()
    assert (options.out / "samples/000000.nii.gz").stat().st_mtime_ns == first
    assert len(Manifest(options.out / "samples").complete(9)) == 6
    assert [result.n_synthetic for result in more.results] == [6, 4]  # of the autoencoder, held-out volumes
    with pytest.raises(SpecError, match="holds 6 samples: give --samples 6 or more"):
        Run(replace(options, samples=5), silent).report()


def test_a_folder_with_other_files_is_refused(options: RunOptions, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(SpecError, match="not empty and holds no run"):
        Run(options, silent).sample()


def test_training_first_uses_the_checkpoint_it_made(options: RunOptions) -> None:
    run = Run(replace(options, train=True), silent)
    run.sample()
    assert (run.folder.path / run.record.stages["fit"].detail["checkpoint"]).is_file()


def test_without_resume_a_run_starts_over(report: Report, options: RunOptions) -> None:
    assert options.out is not None
    before = (options.out / "samples/000000.nii.gz").stat().st_mtime_ns
    again = Run(replace(options, resume=False), silent).report()
    assert (options.out / "samples/000000.nii.gz").stat().st_mtime_ns > before
    assert _values(again) == _values(report)


def test_the_real_pseudo_model_scores_the_floor(options: RunOptions, tmp_path: Path) -> None:
    report = Run(replace(options, model="real", metrics=("fid25d",), out=tmp_path / "real"), silent).report()
    [result] = report.results
    low, high = min(result.floor_values), max(result.floor_values)
    assert low - (high - low) <= result.value <= high + (high - low)


def _command(options: RunOptions, out: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "cli.main", "run", "--model", options.model, "--dataset", options.dataset),
        *("--metrics", ",".join(METRICS), "--out", str(out)),
        *("--device", "cpu", "--workers", "1", "--seed", "3", "--quiet"),
    ]


def test_a_run_that_is_killed_twice_ends_like_an_uninterrupted_one(
    report: Report, options: RunOptions, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    environment = {**os.environ, "MEDBENCH_HOME": str(tmp_path / "home")}
    for stage in ("sample", "evaluate"):
        process = subprocess.Popen(_command(options, out), env=environment, start_new_session=True)
        try:
            _wait_for(out, stage, process)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert not (out / "results.json").exists()
    subprocess.run(_command(options, out), env=environment, check=True, capture_output=True)
    assert _values(Report.read(out / "results.json")) == _values(report)


def _wait_for(out: Path, stage: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the run ended before it could be killed"
        manifest = out / "samples" / "manifest.jsonl"
        record = out / "run.json"
        if stage == "sample" and manifest.exists() and manifest.read_text(encoding="utf-8"):
            return
        if stage == "evaluate" and record.exists() and '"evaluate"' in record.read_text(encoding="utf-8"):
            return
        time.sleep(0.01)
    raise AssertionError(f"stage {stage} was never reached")


def test_another_grid_is_another_run(report: Report, options: RunOptions, tmp_path: Path) -> None:
    named = Path(str(protocols.__file__)).with_name("folder-2.5d.toml").read_text(encoding="utf-8")
    (tmp_path / "small.toml").write_text(f"{named}\n[grid]\nshape = [8, 8, 8]\nfit = 'resize'\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"different: grid"):
        Run(replace(options, protocol=str(tmp_path / "small.toml")), silent).report()


def test_an_edited_plugin_file_is_another_run(options: RunOptions, tmp_path: Path) -> None:
    model, _, name = options.model.rpartition(":")
    copy = tmp_path / "mine.py"
    copy.write_text(Path(model).read_text(encoding="utf-8"), encoding="utf-8")
    Run(replace(options, model=f"{copy}:{name}"), silent).sample()
    copy.write_text(copy.read_text(encoding="utf-8") + "\n# edited\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"different: source"):
        Run(replace(options, model=f"{copy}:{name}"), silent).sample()


def test_the_record_holds_the_budget_and_the_device(report: Report, options: RunOptions) -> None:
    assert options.out is not None
    record = json.loads((options.out / "run.json").read_text(encoding="utf-8"))
    assert record["budget"] == json.loads((options.out / "results.json").read_text(encoding="utf-8"))["budget"]
    assert record["device"] == "cpu"


def test_leaks_are_declared(options: RunOptions, tmp_path: Path) -> None:
    trained = Run(replace(options, train=True, out=tmp_path / "trained"), silent).report()
    assert trained.leaks == ("toy: weights trained on toy (train split), which is this dataset",)
    checkpoint = tmp_path / "given.txt"
    checkpoint.write_text("seed 1", encoding="utf-8")
    given = Run(replace(options, checkpoint=checkpoint, out=tmp_path / "given"), silent).report()
    assert given.leaks == ("toy: what given.txt was trained on is not declared",)


def _flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def _changed_digit(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    place = text.index('"value": 0.') + len('"value": 0.')
    path.write_text(f"{text[:place]}{9 - int(text[place])}{text[place + 1 :]}", encoding="utf-8")


DAMAGES: dict[str, Callable[[Path], None]] = {
    "results.json": _changed_digit,
    "tables/fid25d.csv": lambda path: _flip(path, -3),
    "figures/montage.png": lambda path: _flip(path, 500),
    "report.html": lambda path: _flip(path, 2000),
    "run.json": lambda path: path.write_text(path.read_text(encoding="utf-8").replace('"cpu"', '"gpu"')),
    "samples/manifest.jsonl": lambda path: path.write_text(path.read_text(encoding="utf-8").replace("32", "33", 1)),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_a_finished_run_holds_is_believed_only_as_it_was_written(
    report: Report, options: RunOptions, name: str, noting: Any
) -> None:
    assert options.out is not None
    DAMAGES[name](options.out / name)
    progress = noting()
    again = Run(options, progress).report()
    assert _values(again) == _values(report)
    assert _values(Report.read(options.out / "results.json")) == _values(report)
    silently = name.startswith(("tables", "figures", "report"))
    assert [str(options.out / name) in note for note in progress.notes] == [True] * (not silently)


def test_another_runs_results_are_not_taken(report: Report, options: RunOptions, tmp_path: Path) -> None:
    assert options.out is not None
    other = Run(replace(options, seed=4, out=tmp_path / "other"), silent).report()
    assert _values(other) != _values(report)
    shutil.copy2(tmp_path / "other" / "results.json", options.out / "results.json")
    assert _values(Run(options, silent).report()) == _values(report)


def test_a_checkpoint_that_was_edited_makes_no_samples(options: RunOptions, noting: Any) -> None:
    options = replace(options, train=True)
    report = Run(options, silent).report()
    assert options.out is not None
    (options.out / "fit/toy.txt").write_text("seed 9, edited", encoding="utf-8")
    (options.out / "samples/000001.nii.gz").unlink()
    progress = noting()
    assert _values(Run(options, progress).report()) == _values(report)
    assert (options.out / "fit/toy.txt").read_text(encoding="utf-8") == "seed 3, 8 cases"
    assert any("toy.txt is not what was trained" in note for note in progress.notes)


def test_samples_of_weights_that_are_gone_are_made_again(options: RunOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(replace(options, train=True), silent)
    run.sample()
    before = (run.folder.samples / "manifest.jsonl").read_text(encoding="utf-8")
    (run.folder.path / "fit/toy.txt").unlink()
    (run.folder.samples / "000001.nii.gz").unlink()
    monkeypatch.setattr(type(run.generator), "fit", _fit_anew)
    Run(replace(options, train=True), silent).sample()
    records = Manifest(run.folder.samples).records().values()
    assert len({record.checkpoint for record in records}) == 1
    assert all(str(record.checkpoint) not in before for record in records)


def _fit_anew(self: object, request: FitRequest) -> Path:
    (request.workspace / "toy.txt").write_text("seed of another training", encoding="utf-8")
    return request.workspace / "toy.txt"
