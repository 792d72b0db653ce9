"""Shards of a run side by side, and the command that collects."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medbench.errors import SpecError
from medbench.pipeline.folder import FolderEvaluation
from medbench.pipeline.options import FolderOptions, RunOptions
from medbench.pipeline.part import evaluate_shard, run_shard, sample_shard
from medbench.pipeline.run import Run
from medbench.pipeline.shard import Shard
from medbench.progress import silent
from medbench.records.manifest import Manifest


def hashes(run: Run) -> Mapping[int, str]:
    return {index: record.sha256 for index, record in Manifest(run.folder.samples).records().items()}


@pytest.fixture
def whole(options: RunOptions, tmp_path: Path) -> Run:
    """A run that one process made the samples of."""
    run = Run(replace(options, out=tmp_path / "whole"), silent)
    run.sample()
    return run


def test_shards_side_by_side_make_what_one_process_makes(options: RunOptions, whole: Run) -> None:
    left, errors = {}, []

    def work(number: int) -> None:
        try:
            left[number] = sample_shard(Run(options, silent), Shard(number, 3)).missing["samples"]
        except Exception as error:  # noqa: BLE001  the test tells
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert min(left.values()) == 0
    collected = Run(options, silent)
    collected.sample()
    assert hashes(collected) == hashes(whole)
    assert [path.name for path in collected.folder.samples.glob(".*")] == []
    assert not list(collected.folder.path.glob(".parts*"))
    assert (collected.record.stages["sample"].memory or pytest.fail()).rss_bytes > 0


def test_a_shard_says_what_is_left_and_the_whole_makes_it(options: RunOptions, whole: Run) -> None:
    left = run_shard(Run(options, silent), Shard(2, 4))
    assert left.missing == {"samples": 3}
    made = list((left.folder / "samples").glob("*.nii.gz"))
    assert [path.name for path in made] == ["000001.nii.gz"]
    before = made[0].stat().st_mtime_ns
    collected = Run(options, silent)
    collected.sample()
    assert hashes(collected) == hashes(whole)
    assert made[0].stat().st_mtime_ns == before  # it was not made again


def test_a_shard_of_another_spec_is_refused_and_loses_nothing(options: RunOptions, whole: Run) -> None:
    sample_shard(Run(options, silent), Shard(1, 2))
    with pytest.raises(SpecError, match=r"another spec \(different: seed\)"):
        sample_shard(Run(replace(options, seed=4), silent), Shard(2, 2))
    sample_shard(Run(options, silent), Shard(2, 2))
    collected = Run(options, silent)
    collected.sample()
    assert hashes(collected) == hashes(whole)


def test_who_collects_finds_what_shards_saw_of_their_volumes(options: RunOptions, tmp_path: Path) -> None:
    alone = Run(replace(options, out=tmp_path / "alone"), silent).evaluate()
    options = replace(options, metrics=("fid25d",))
    looks: list[int] = []

    class Counted:
        note = staticmethod(silent.note)

        def track(self, items: Iterable[Any], *, task: str, total: int | None = None) -> Iterator[Any]:
            looks.append(total or 0) if task == "evaluate" else None
            return silent.track(items, task=task, total=total)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
        for number in (1, 2):
            run_shard(Run(options, silent), Shard(number, 2))
        report = Run(options, Counted()).evaluate()
    assert looks == [1]  # the metric; no volume was left to look at
    assert report.results[0].value == alone.results[0].value


def test_an_evaluation_is_shared_by_shards(options: RunOptions, whole: Run, tmp_path: Path) -> None:
    folder = FolderOptions(
        samples=whole.folder.samples, dataset=options.dataset, metrics=("fid25d",), device="cpu", out=tmp_path / "eval"
    )
    for number in (1, 2):
        left = evaluate_shard(FolderEvaluation(replace(folder, shard=f"{number}/2"), silent), Shard(number, 2))
        assert left.folder == tmp_path / "eval"
    with pytest.raises(SpecError, match="another spec"):
        other = replace(folder, protocol="phantom-2.5d", shard="1/2")
        evaluate_shard(FolderEvaluation(other, silent), Shard(1, 2))
    assert FolderEvaluation(folder, silent).evaluate().results[0].metric == "fid25d"


def test_shards_begin_over_nothing_and_train_nothing(options: RunOptions) -> None:
    with pytest.raises(SpecError, match="--no-resume"):
        sample_shard(Run(replace(options, resume=False), silent), Shard(1, 2))
    trained = replace(options, train=True)
    with pytest.raises(SpecError, match="'medbench fit' first"):
        sample_shard(Run(trained, silent), Shard(1, 2))
    Run(trained, silent).fit()
    assert sample_shard(Run(trained, silent), Shard(1, 2)).missing == {"samples": 2}


def test_who_collects_waits_for_a_shard_that_is_at_work(options: RunOptions, whole: Run) -> None:
    notes: list[str] = []

    class Told:
        track = staticmethod(silent.track)
        note = staticmethod(notes.append)

    running = Run(options, silent)
    begun = threading.Event()
    make = running.generator.sample

    def sampled(request: object) -> object:
        begun.set()
        return make(request)  # type: ignore[arg-type]

    running.generator.sample = sampled  # type: ignore[method-assign, assignment]
    shard = threading.Thread(target=sample_shard, args=(running, Shard(1, 2)))
    shard.start()
    begun.wait(20)
    collected = Run(options, Told())
    collected.sample()
    shard.join()
    assert any("is in use by process" in note for note in notes)
    assert hashes(collected) == hashes(whole)
