"""Numbers that contradict what lies beside them are named and not compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from leaderboard.comparison.compare import compare, open_runs
from medbench.errors import DataError
from medbench.records.run import RunFolder
from medbench.spec import fingerprint
from medbench.storage.files import sha256_of

TABLE = pd.DataFrame({"side": ["real"] * 8 + ["synthetic"] * 6, "id": [f"{place:02d}" for place in range(14)]})


@pytest.fixture
def run(make_result: Callable[..., Any], save_run: Callable[..., Path]) -> Callable[..., Path]:
    def make(name: str, *, table: str = "tables/fid3d.csv", frame: pd.DataFrame = TABLE, **fields: Any) -> Path:
        result = make_result("fid3d", 1.0, table=table).model_copy(update=fields)
        return save_run(name, result, tables={"fid3d": frame})

    return make


def _reason(*folders: Path) -> str | None:
    _, apart = compare(open_runs(folders))
    return apart[0].reason if apart else None


def test_what_nothing_contradicts_is_compared(run: Callable[..., Path]) -> None:
    assert _reason(run("a"), run("b")) is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"fingerprint": "0" * 12}, "its protocol does not have its fingerprint"),
        ({"protocol": {"metric": "fid3d", "n_real": 9}}, "its protocol does not have its fingerprint"),
        ({"n_real": 9}, "its n_real is 9, and its protocol's 8"),
        ({"better": "higher"}, "lower is better of fid3d, not higher"),
        ({"table": "../a/tables/fid3d.csv"}, "which lies outside"),
        ({"table": "/etc/passwd"}, "which lies outside"),
        ({"frame": TABLE[1:]}, r"fid3d.csv has 7 real volumes, and its n_real is 8"),
    ],
)
def test_a_contradiction_is_said(run: Callable[..., Path], fields: dict[str, Any], said: str) -> None:
    reason = _reason(run("a"), run("b", **fields))
    assert reason is not None
    assert reason.startswith("b is not trusted: ")
    assert said in reason


def test_a_protocol_need_not_name_counts(run: Callable[..., Path]) -> None:
    protocol = {"design": "rating", "study": "one"}
    fields = {"protocol": protocol, "fingerprint": fingerprint(protocol)}
    assert _reason(run("a", **fields), run("b", **fields)) is None


def test_files_that_the_run_did_not_write_are_said(run: Callable[..., Path]) -> None:
    a, b = run("a"), run("b")
    folder = RunFolder(b)
    (b / "results.json").rename(b.parent / "kept.json")
    (b / "tables").rename(b.parent / "tables")
    record = folder.open(kind="run", spec={})
    (b.parent / "kept.json").rename(b / "results.json")
    (b.parent / "tables").rename(b / "tables")
    record.evaluation.files = {name: sha256_of(b / name) for name in ("results.json", "tables/fid3d.csv")}
    folder.write(record)
    assert _reason(a, b) is None
    TABLE.assign(id=TABLE["id"] + "x").to_csv(b / "tables/fid3d.csv", index=False)
    assert "fid3d.csv is not what the run wrote" in str(_reason(a, b))
    folder.record_file.write_text(folder.record_file.read_text(encoding="utf-8").replace("fid3d", "fid2d"))
    assert "run.json was changed after it was written" in str(_reason(a, b))


def test_a_changed_number_is_refused(run: Callable[..., Path]) -> None:
    a, b = run("a"), run("b")
    file = b / "results.json"
    file.write_text(file.read_text(encoding="utf-8").replace('"value": 1.0', '"value": 0.5'), encoding="utf-8")
    with pytest.raises(DataError, match=r"b/results\.json .*was changed after it was written"):
        open_runs([a, b])
    document = json.loads(file.read_text(encoding="utf-8"))
    del document["checksum"]
    file.write_text(json.dumps(document), encoding="utf-8")
    assert _reason(a, b) is None  # as one from before there were checksums
