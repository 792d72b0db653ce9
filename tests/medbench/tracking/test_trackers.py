"""Each tracker's own library reads back what was logged; nothing leaves this machine."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medbench import extras
from medbench.errors import MissingExtraError, SpecError, StorageError
from medbench.spec import fingerprint
from medbench.tracking.entry import TrackedRun
from medbench.tracking.trackers import tracker

Tracked = Callable[..., TrackedRun]


@pytest.fixture
def unconnected(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse every connection to another machine."""
    connect = socket.socket.connect

    def at_home(self: socket.socket, address: Any) -> None:
        assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost"), address
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", at_home)
    yield


@pytest.mark.usefixtures("unconnected")
def test_mlflow_keeps_numbers_tags_and_files(tracked: Tracked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="pip install medbench[track]")
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path / 'mlflow.db'}"
    log = tracker(f"mlflow:{address}")
    told = log(tracked())
    assert log(tracked(value=2.5)) == told  # the same run, not a second one
    client = mlflow.MlflowClient(tracking_uri=address)
    (run,) = client.search_runs([client.get_experiment_by_name("medbench").experiment_id])
    assert told == f"experiment medbench, run {run.info.run_id}"
    assert (run.info.run_name, run.info.status) == ("a run", "FINISHED")
    assert run.data.metrics["fid25d"] == 2.5
    assert run.data.metrics["fid25d/ci_high"] == 4.0
    assert run.data.metrics["fid25d/lung _left_/ks"] == 0.25
    assert run.data.tags["medbench.fingerprint/fid25d"] == fingerprint({"metric": "fid25d"})
    assert run.data.tags["medbench.stand_ins"] == "seeded-resnet"
    kept = {file.path for folder in ("", "figures") for file in client.list_artifacts(run.info.run_id, folder)}
    assert {"results.json", "report.html", "figures/planes.png"} <= kept


def records(path: Path) -> Iterator[Any]:
    """Yield what an offline run of Weights & Biases holds: LevelDB's log format, after a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, block, header, whole = path.read_bytes(), 32768, 7, b""
    place = header
    while place + header <= len(content):
        left = block - place % block
        if left < header:  # nothing fits: the rest of the block is padding
            place += left
            continue
        _, size, kind = struct.unpack_from("<IHB", content, place)
        if place + header + size > len(content):
            return  # it is being written
        whole += content[place + header : place + header + size]
        place += header + size
        if kind in (1, 4):  # a whole record, or its last part
            record = Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


@pytest.mark.usefixtures("unconnected")
def test_wandb_keeps_a_run_offline(tracked: Tracked, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="pip install medbench[track]")

    monkeypatch.delenv("WANDB_MODE", raising=False)
    run = tracked()
    told = tracker("wandb:a-project")(run)
    assert told.endswith("('wandb sync' sends it)")
    (file,) = run.folder.glob("wandb/offline-run-*/*.wandb")
    numbers: dict[str, Any] = {}
    kinds: dict[str, Any] = {}
    limit = time.monotonic() + 30
    while not any(
        record.WhichOneof("record_type") == "exit" for record in records(file)
    ):  # its service writes at leisure
        assert time.monotonic() < limit
        time.sleep(0.1)
    for record in records(file):
        kinds[record.WhichOneof("record_type")] = record
        numbers |= {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
    assert numbers["fid25d"] == 3.5
    assert numbers["fid25d/floor"] == 0.5
    assert numbers["figures/planes/_type"] == "image-file"
    assert (kinds["run"].run.project, kinds["run"].run.run_id, kinds["run"].run.display_name) == (
        "a-project",
        run.key,
        "a run",
    )
    config = {item.key: json.loads(item.value_json) for item in kinds["run"].run.config.update}
    assert config["fingerprint/fid25d"] == fingerprint({"metric": "fid25d"})
    assert {entry.path for entry in kinds["artifact"].artifact.manifest.contents} == {"results.json", "report.html"}


def test_tensorboard_shows_numbers_and_figures(tracked: Tracked, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="pip install medbench[track]")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = tracker(f"tensorboard:{tmp_path / 'board'}")
    told = log(tracked())
    assert log(tracked(value=2.5)) == told
    assert len(list(Path(told).iterdir())) == 1  # logged again, not beside
    events = EventAccumulator(told)
    events.Reload()
    assert [event.value for event in events.Scalars("fid25d")] == [2.5]
    assert [event.value for event in events.Scalars("fid25d/lung (left)/ks")] == [0.25]
    (text,) = events.Tensors("run/text_summary")
    assert fingerprint({"metric": "fid25d"}) in str(text.tensor_proto.string_val[0])
    (picture,) = events.Images("figures/planes")
    assert (picture.width, picture.height) == (40, 30)
    assert Path(tracker("tensorboard")(tracked())).is_relative_to(tracked().folder / "tensorboard")


def test_what_is_no_tracker_or_not_installed_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError, match="choose from mlflow, wandb, tensorboard"):
        tracker("comet:here")
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "wandb" else name)
    with pytest.raises(MissingExtraError, match=r"--log-to wandb needs wandb.*pip install \"medbench\[track\]\""):
        tracker("wandb")
    assert tracker("mlflow")


def test_a_tracker_that_fails_is_one_line_and_the_results_stay(tracked: Tracked, tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="pip install medbench[track]")
    (tmp_path / "no.db").write_bytes(np.arange(4096, dtype=np.int64).tobytes())
    run = tracked()
    with pytest.raises(StorageError, match="mlflow did not take the results") as error:
        tracker(f"mlflow:sqlite:///{tmp_path / 'no.db'}")(run)
    assert "\n" not in str(error.value)
    assert str(run.folder) in str(error.value)
    assert (run.folder / "results.json").is_file()
