import doctest
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from medbench.errors import CheckpointError, MissingExtraError, SpecError, Unavailable
from medbench.storage import weights as weights_module
from medbench.storage.download import record_sha256
from medbench.storage.weights import WeightFile, fetch_weights

WEIGHTS = WeightFile(name="my-net", file="net.pth", origin="https://example.org/net.pth")


@pytest.fixture(autouse=True)
def empty_home(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path))
    monkeypatch.delenv("MEDBENCH_WEIGHTS_MY_NET", raising=False)


def test_absent_weights_name_origin_place_and_variable(tmp_path):
    with pytest.raises(Unavailable) as caught:
        WEIGHTS.locate()
    for word in ("https://example.org/net.pth", str(tmp_path / "weights" / "net.pth"), "MEDBENCH_WEIGHTS_MY_NET"):
        assert word in str(caught.value)


def test_the_variable_goes_before_the_home_folder(monkeypatch, tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.pth").write_bytes(b"home")
    assert WEIGHTS.sha256() == hashlib.sha256(b"home").hexdigest()
    (tmp_path / "mine.pth").write_bytes(b"mine")
    monkeypatch.setenv("MEDBENCH_WEIGHTS_MY_NET", str(tmp_path / "mine.pth"))
    assert WEIGHTS.locate() == tmp_path / "mine.pth"
    assert WEIGHTS.sha256() == hashlib.sha256(b"mine").hexdigest()


def test_a_shared_home_has_what_the_own_one_lacks(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDBENCH_SHARED", str(tmp_path / "shared"))
    shared, weights = (
        tmp_path / "shared" / "weights" / "net.pth",
        WeightFile(name="net", file="net.pth", origin="tests"),
    )
    shared.parent.mkdir(parents=True)
    shared.write_bytes(b"shared")
    assert weights.locate() == shared
    weights.stored.parent.mkdir(parents=True, exist_ok=True)
    weights.stored.write_bytes(b"own")
    assert weights.locate() == weights.stored


def test_a_replaced_file_is_hashed_again(tmp_path):
    (tmp_path / "weights").mkdir()
    path = tmp_path / "weights" / "net.pth"
    for content in (b"first", b"second!"):
        path.write_bytes(content)
        assert WEIGHTS.sha256() == hashlib.sha256(content).hexdigest()


def test_a_variable_that_names_no_file_is_an_error_not_a_fallback(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDBENCH_WEIGHTS_MY_NET", str(tmp_path))
    with pytest.raises(MissingExtraError, match=r"MEDBENCH_WEIGHTS_MY_NET names .* which is no file"):
        WEIGHTS.locate()


PINNED = WeightFile(
    name="my-net",
    file="net.pth",
    origin="example.org",
    url="http://127.0.0.1:1/net.pth",
    pinned=hashlib.sha256(b"published").hexdigest(),
)


def stored(tmp_path, content):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.pth").write_bytes(content)
    return tmp_path / "weights" / "net.pth"


def test_a_pinned_file_is_taken_as_it_was_published(tmp_path):
    path = stored(tmp_path, b"published")
    assert PINNED.locate() == path
    assert PINNED.sha256() == PINNED.pinned


def test_an_altered_pinned_file_is_refused_with_the_command_that_mends_it(tmp_path):
    path = stored(tmp_path, b"altered")
    for attempt in (PINNED.locate, PINNED.sha256):
        with pytest.raises(CheckpointError, match="is not the file that is pinned") as caught:
            attempt()
        assert str(path) in str(caught.value)
        assert "delete it and run 'medbench weights fetch my-net'" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_file_named_by_the_variable_is_used_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "mine.pth").write_bytes(b"altered")
    monkeypatch.setenv("MEDBENCH_WEIGHTS_MY_NET", str(tmp_path / "mine.pth"))
    assert PINNED.sha256() == hashlib.sha256(b"altered").hexdigest()


def test_a_checksum_kept_beside_an_unpinned_file_holds(tmp_path):
    path = stored(tmp_path, b"first")
    record_sha256(path, hashlib.sha256(b"first").hexdigest())
    assert WEIGHTS.locate() == path
    path.write_bytes(b"second")
    with pytest.raises(CheckpointError, match="is not the file that is pinned"):
        WEIGHTS.locate()


def test_absent_pinned_weights_name_the_command_first():
    with pytest.raises(Unavailable, match=r"not here: run 'medbench weights fetch my-net', or get net\.pth from"):
        PINNED.locate()


@pytest.mark.parametrize(
    ("weights", "sha256", "fault"),
    [
        (replace(PINNED, shipped=Path("net.pth")), None, "come with medbench"),
        (replace(PINNED, url=None), None, "no public address: get net.pth from example.org"),
        (PINNED, "abc", "is no SHA-256: give 64 hex digits"),
        (PINNED, "0" * 64, "contradicts the pinned"),
        (replace(PINNED, pinned=None), None, "no checksum of 'my-net' is published"),
    ],
)
def test_fetches_that_cannot_be_verified_are_refused_before_anything_is_asked(weights, sha256, fault):
    with pytest.raises(SpecError, match=fault):
        fetch_weights(weights, sha256=sha256)


def test_the_examples_run():
    assert doctest.testmod(weights_module) == (0, 1)
