"""``medbench leaderboard`` as a user meets it, and the row that a run adds at its end."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="module")
def board(folders: dict[str, Path], medbench: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A board that two evaluations have joined at their ends; returns the command on it, and the folders."""
    root = tmp_path_factory.mktemp("board")
    where = ("--leaderboard", root / "board.sqlite")
    for name in ("near", "far"):
        arguments = (folders[name], "--real", folders["real"], "--metrics", "fid25d", "--out", root / name)
        found = medbench("evaluate", *arguments, *where, "--quiet")
        assert found.returncode == 0, found.stderr
        assert f"leaderboard: {root / 'board.sqlite'}" in found.stdout

    def command(*arguments: str | Path) -> Any:
        return medbench("leaderboard", *arguments, *where)

    command.root = root
    return command


def test_show_has_the_keys_of_the_contract(board: Any) -> None:
    (entry,) = json.loads(board("show", "--json").stdout)
    assert {"track", "metric", "better", "rows"} <= set(entry)
    assert (entry["metric"], entry["better"]) == ("fid25d", "lower")
    keys = {"id", "model", "run", "value", "ci95", "floor", "n_real", "n_synthetic", "rank", "rank_ci95"}
    keys |= {"within_budget", "budget_kind", "reported", "source"}
    assert all(keys <= set(row) for row in entry["rows"])
    assert [(row["model"], row["rank"], row["rank_ci95"], row["reported"]) for row in entry["rows"]] == [
        ("near", 1, [1, 1], False),
        ("far", 2, [2, 2], False),
    ]
    text = board("show").stdout
    assert "fid25d ↓" in text and "beyond chance" in text


def test_tracks_have_the_keys_of_the_contract(board: Any) -> None:
    (row,) = json.loads(board("tracks", "--json").stdout)
    assert set(row) == {"track", "dataset", "fingerprint", "rows", "models"}
    assert (row["dataset"], row["rows"], row["models"]) == ("folder", 2, ["far", "near"])
    assert row["track"] == f"folder/{row['fingerprint']}"
    assert row["track"] in board("tracks").stdout


@pytest.mark.parametrize("kind", ["csv", "md", "html", "json", "latex"])
def test_export_writes_each_format(board: Any, kind: str, tmp_path: Path) -> None:
    out = tmp_path / f"board.{kind}"
    assert board("export", "--format", kind, "--out", out).returncode == 0
    text = out.read_text(encoding="utf-8")
    assert "near" in text and "far" in text
    if kind == "csv":
        assert [row["rank"] for row in csv.DictReader(io.StringIO(text))] == ["1", "2"]
    if kind == "json":
        (track,) = json.loads(text)["tracks"]
        assert len(track["runs"][0]["document"]) == 64


def test_a_run_is_removed_added_and_merged(board: Any, medbench: Any, tmp_path: Path, refused: Any) -> None:
    (entry,) = json.loads(board("show", "--json").stdout)
    key = next(row["id"] for row in entry["rows"] if row["model"] == "far")
    assert board("remove", key).returncode == 0
    assert "no run with the id" in refused(board("remove", key))
    assert json.loads(board("add", board.root / "far", board.root / "near", "--json").stdout)["runs"] == {
        key: "added",
        next(row["id"] for row in entry["rows"] if row["model"] == "near"): "there",
    }
    other = ("--leaderboard", tmp_path / "other.sqlite")
    merged = json.loads(medbench("leaderboard", "merge", board.root / "board.sqlite", *other, "--json").stdout)
    assert merged["runs"][key] == "added"
    assert "there already" in medbench("leaderboard", "merge", board.root, *other).stdout


def test_a_row_can_be_checked_again(board: Any, tmp_path: Path) -> None:
    (entry,) = json.loads(board("show", "--json").stdout)
    for row in entry["rows"]:
        assert board("results", row["id"], "--out", tmp_path / row["model"]).returncode == 0
        kept = (tmp_path / row["model"] / "results.json").read_bytes()
        assert kept == (board.root / row["model"] / "results.json").read_bytes()


def test_the_same_evaluation_again_changes_nothing_and_none_leaves_it(
    board: Any, folders: dict[str, Path], medbench: Any, tmp_path: Path
) -> None:
    where = board.root / "board.sqlite"
    before = json.loads(board("show", "--json").stdout)
    again = (folders["near"], "--real", folders["real"], "--metrics", "fid25d", "--out", board.root / "near")
    assert medbench("evaluate", *again, "--leaderboard", where).returncode == 0
    assert json.loads(board("show", "--json").stdout) == before
    nowhere = medbench("evaluate", *again, "--leaderboard", "none")
    assert nowhere.returncode == 0
    assert "leaderboard:" not in nowhere.stdout


def test_bad_input_is_one_line_and_harms_nothing(
    board: Any, folders: dict[str, Path], medbench: Any, refused: Any, tmp_path: Path
) -> None:
    before = (board.root / "board.sqlite").read_bytes()
    (tmp_path / "results.json").write_bytes((board.root / "near" / "results.json").read_bytes()[:300])
    assert "results.json" in refused(board("add", board.root / "near", tmp_path))
    assert "no track 'luna'" in refused(board("show", "--track", "luna"))
    assert "no metric 'kid25d'" in refused(board("show", "--metric", "kid25d"))
    assert "--format pdf: choose from" in refused(board("export", "--format", "pdf", "--out", tmp_path / "a.pdf"))
    assert (board.root / "board.sqlite").read_bytes() == before
    assert "does not exist" in refused(medbench("leaderboard", "show", "--leaderboard", tmp_path / "absent.sqlite"))
    broken = tmp_path / "broken.sqlite"
    broken.write_bytes(b"no database" * 100)
    arguments = (folders["near"], "--real", folders["real"], "--metrics", "fid25d", "--out", tmp_path / "out")
    assert "is no leaderboard" in refused(medbench("evaluate", *arguments, "--leaderboard", broken))
    assert not (tmp_path / "out").exists(), "told before the work, not after it"
