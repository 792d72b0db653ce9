import hashlib

import pytest
import torch

from medbench.errors import CheckpointError, MissingExtraError, Unavailable
from medbench.weights import WeightFile, read_tensors

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


@pytest.mark.parametrize("content", [b"", b"\x80\x02this is no checkpoint" * 20, b"PK\x03\x04 cut short", b"<html>"])
@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_damaged_files_are_refused_by_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError, match=name):
        read_tensors(tmp_path / name)


def test_a_whole_training_checkpoint_is_no_state_dict(tmp_path):
    torch.save({"epoch": 3, "state_dict": {"weight": torch.zeros(2)}}, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match="no bare state dict"):
        read_tensors(tmp_path / "net.pth")
