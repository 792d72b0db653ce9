"""What a board reads of a run, and what it does not believe."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from leaderboard.store.entry import packed, read_entry, unpacked
from medbench.errors import DataError
from medbench.records.results import Budget, StageMemory, StagePrediction
from medbench.records.run import RunFolder

GIB = 2**30


def test_provenance_comes_from_the_run_folder(run_of: Any) -> None:
    folder = RunFolder(run_of("a"))
    spec = {"model": "toy", "preset": "tiny", "seed": 7, "checkpoint": "train"}
    # A run's record is written before its results are: here it comes after.
    results = folder.results_file.read_bytes()
    folder.results_file.unlink()
    for part in sorted(folder.path.rglob("*"), reverse=True):
        part.rmdir()
    record = folder.open(kind="run", spec=spec)
    folder.results_file.write_bytes(results)
    (folder.path / "fit.bin").write_bytes(b"weights")
    with folder.stage(record, "fit") as stage:
        stage.detail["checkpoint"] = "fit.bin"
    run = read_entry(folder.path).run
    assert (run["preset"], run["seed"], run["spec"]) == ("tiny", 7, record.fingerprint)
    assert (
        run["checkpoint"] == "9fa21f4b9c4a2c4fe7b6ce4a9cbb0d93e5d6e2c1a5b7d2a8c1a4b3e6c7d1a0f2"
        or len(run["checkpoint"]) == 64
    )
    assert "medbench" in run["versions"]


def test_the_identity_does_not_hang_on_the_place(run_of: Any, tmp_path: Path) -> None:
    first = read_entry(run_of("a")).run
    moved = tmp_path / "elsewhere"
    (tmp_path / "a").rename(moved)
    second = read_entry(moved / "results.json").run
    assert first["id"] == second["id"]
    assert second["origin"] == str(moved)


@pytest.mark.parametrize(
    ("budget", "peak"),
    [
        ({"kind": "absent", "card": "none", "within": None}, None),
        (
            {
                "kind": "predicted",
                "card": "none",
                "within": True,
                "predicted": {
                    stage: StagePrediction(shape=(1, 1, 1), peak_bytes=size * GIB, tensor_bytes=1, largest_tensors=())
                    for stage, size in (("fit", 9), ("sample", 4))
                },
            },
            9 * GIB,
        ),
        (
            {
                "kind": "measured",
                "card": "real",
                "within": False,
                "stages": {
                    stage: StageMemory(
                        allocated_bytes=1, reserved_bytes=2, process_bytes=size, rss_bytes=1, seconds=1.0
                    )
                    for stage, size in (("sample", 5 * GIB), ("evaluate", 7 * GIB))
                },
            },
            5 * GIB,
        ),
    ],
)
def test_the_memory_is_that_of_the_generator(run_of: Any, budget: dict[str, Any], peak: int | None) -> None:
    folder = run_of("a", budget=Budget(limit_bytes=24 * GIB, **budget))
    assert read_entry(folder).run["budget_peak_bytes"] == peak


def test_cases_become_replicates_over_subjects(make_result: Any, save_run: Any) -> None:
    """One group a subject; the key names the cases, whatever their order."""
    table = pd.DataFrame(
        [
            {"id": f"{case}", "region": region, "dsc": 0.5 + case / 20 + lift, "mask": f"m{case}"}
            for case in range(6)
            for region, lift in (("lung", 0.1), ("heart", -0.1))
        ]
    )
    result = make_result("adherence", 0.7, better="higher", table="tables/adherence.csv")
    first = read_entry(save_run("a", result, tables={"adherence": table}))
    second = read_entry(save_run("b", result, tables={"adherence": table.sample(frac=1, random_state=0)}))
    (row,), (other,) = first.results, second.results
    assert row["tested"] == pytest.approx(0.5 + 2.5 / 20)
    assert row["real_values"] == pytest.approx([0.5 + (15 - case) / 100 for case in range(6)])
    assert row["real_sizes"].tolist() == [1.0] * 6
    assert row["synthetic_values"] is None
    assert row["cases"] == other["cases"]
    fewer = read_entry(save_run("c", result, tables={"adherence": table[table["mask"] != "m0"]}))
    assert fewer.results[0]["cases"] != row["cases"]


def test_without_replicates_and_cases_there_is_nothing_to_test_with(make_result: Any, save_run: Any) -> None:
    (row,) = read_entry(save_run("a", make_result("mine", 1.0))).results
    assert row["tested"] is None
    assert row["real_values"] is None


def change(folder: Path, **fields: Any) -> None:
    document = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    document["results"][0] |= fields
    (folder / "results.json").write_text(json.dumps(document), encoding="utf-8")


@pytest.mark.parametrize(
    "fields",
    [
        {"fingerprint": "0123456789ab"},
        {"n_synthetic": 600},
        {"metric": "other"},
        {"protocol": {"metric": "mine", "n_real": 8, "n_synthetic": 6, "window": "wide"}},
    ],
)
def test_numbers_under_another_protocol_are_refused(run_of: Any, fields: dict[str, Any]) -> None:
    folder = run_of("a")
    change(folder, **fields)
    with pytest.raises(DataError, match=r"results\.json .*was changed after it was written"):
        read_entry(folder)


@pytest.mark.parametrize(
    "content", [b"", b'{"schema": 1, "run": "a"', b"[]", b'{"schema": 2}', b"\xff\xfe", b"\x00" * 99]
)
def test_half_written_and_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(DataError, match=r"results\.json"):
        read_entry(tmp_path)


def test_an_unreadable_picture_is_named(run_of: Any) -> None:
    folder = run_of("a")
    (folder / "figures").mkdir()
    (folder / "figures" / "montage.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"montage\.png is no PNG file"):
        read_entry(folder)


def test_a_document_is_known_by_its_hash() -> None:
    content = b'{"a": 1}' * 100
    name = hashlib.sha256(content).hexdigest()
    assert unpacked(packed(content), name) == content
    with pytest.raises(DataError, match="was changed in the store"):
        unpacked(packed(content + b" "), name)
    assert np.frombuffer(packed(content), dtype=np.uint8).size < len(content)
