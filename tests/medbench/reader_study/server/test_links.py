"""Private links: unguessable, kept between starts, nobody else's business."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from medbench.errors import DataError, StorageError
from medbench.reader_study.server.links import Links, links_file


def test_a_later_start_finds_the_same_links_and_adds_new_readers(tmp_path: Path) -> None:
    file = tmp_path / "links" / "study.json"
    first = Links.keep(["ann", "bob"], file)
    later = Links.keep(["bob", "eve"], file)
    assert later.tokens["bob"] == first.tokens["bob"]
    assert set(later.tokens) == {"bob", "eve"}
    assert Links.keep(["ann"], file).tokens["ann"] == first.tokens["ann"]


def test_tokens_are_long_and_random_and_only_their_owner_may_read_them(tmp_path: Path) -> None:
    tokens = Links.keep([f"reader-{i}" for i in range(50)], tmp_path / "a.json").tokens
    assert len(set(tokens.values())) == 50
    assert all(len(token) >= 32 for token in tokens.values())
    assert stat.S_IMODE((tmp_path / "a.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("guess", ["", "ann", "\0", "ü" * 40, "\ud800", "a" * 100_000])
def test_a_guess_is_nobody(guess: str) -> None:
    assert Links({"ann": "secret-token"}).reader(guess) is None


def test_a_part_of_a_token_is_nobody() -> None:
    links = Links({"ann": "secret-token", "bob": "another-one"})
    assert links.reader("secret-token") == "ann"
    assert links.reader("another-one") == "bob"
    assert links.reader("secret-toke") is None
    assert links.reader("secret-token ") is None


@pytest.mark.parametrize("content", ["{", "[]", "7", "\xff"])
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "links.json").write_text(content, encoding="latin-1")
    with pytest.raises(DataError, match=r"links\.json is damaged"):
        Links.keep(["ann"], tmp_path / "links.json")


def test_links_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        Links.keep(["ann"], tmp_path / "file" / "links.json")


def test_links_lie_outside_the_packet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
    assert links_file("a" * 64).is_relative_to(tmp_path)
    assert links_file("a" * 64) != links_file("b" * 64)
