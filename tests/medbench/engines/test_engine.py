"""The choice of an engine, and the options of clusters as texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from medbench import plugin_files
from medbench.engines import devices
from medbench.engines.engine import Engine, parse_options
from medbench.engines.local import local
from medbench.engines.work import run_all
from medbench.errors import SpecError


def test_an_engine_that_does_not_exist_and_options_that_none_takes_are_refused() -> None:
    with pytest.raises(SpecError, match=r"--engine spark: .* local, slurm, dask"):
        Engine("spark")
    with pytest.raises(SpecError, match="--engine-option goes with --engine slurm or dask"):
        Engine("local", options={"partition": "gpu"})


def test_one_item_is_worked_on_by_this_process() -> None:
    with Engine(workers=4).executor(1) as executor:
        assert executor is None


def test_a_network_is_loaded_once_a_gpu_job_or_worker_that_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Engine().parts(5, device="cpu") == 1
    assert [Engine(workers=workers).parts(5, device="cpu") for workers in (2, 9)] == [2, 5]
    assert Engine("slurm").parts(20, device="cpu") == 8
    monkeypatch.setattr(devices, "resolve_device", lambda asked: "cuda:0")
    monkeypatch.setattr(devices, "gpus_to_share", lambda asked: ())
    assert Engine(workers=2).parts(5, device="auto") == 1  # a single GPU is not shared
    monkeypatch.setattr(devices, "gpus_to_share", lambda asked: ("0", "1", "2"))
    assert [Engine(workers=workers).parts(5, device="auto") for workers in (None, 2, 9)] == [3, 2, 3]


def test_options_are_pairs_whose_keys_are_those_of_sbatch_or_of_submitit() -> None:
    assert parse_options(["partition=gpu", "cpus_per_task=4", "--time=1-00:00:00"]) == {
        "partition": "gpu",
        "cpus-per-task": "4",
        "time": "1-00:00:00",
    }
    for wrong in (["partition"], ["=gpu"], ["time=1", "time=2"]):
        with pytest.raises(SpecError, match="give KEY=VALUE, each key once"):
            parse_options(wrong)


def test_each_process_is_given_a_gpu_in_turn(tmp_path: Path) -> None:
    file = tmp_path / "helpers.py"
    file.write_text(
        "import os, time\ndef own(seconds):\n    time.sleep(seconds)\n    return os.environ['CUDA_VISIBLE_DEVICES']\n",
        encoding="utf-8",
    )
    own = plugin_files.import_file(file).own
    with local(2, gpus=("3", "GPU-ab")) as executor:
        assert executor is not None
        assert set(run_all(own, [1.0, 1.0], executor=executor)) == {"3", "GPU-ab"}
