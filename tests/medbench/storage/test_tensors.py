from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medbench.errors import CheckpointError
from medbench.storage.tensors import read_weights, require_same, write_weights


def test_round_trip_in_half_precision(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    weights = {"a": torch.randn(3, 4), "b": torch.zeros(())}
    write_weights(path, weights, {"model": "m", "steps": 3})
    found, description = read_weights(path)
    assert description == {"model": "m", "steps": 3}
    assert all(value.dtype == torch.float32 for value in found.values())
    assert all(torch.equal(found[name], weights[name].half().float()) for name in weights)


def test_no_pickle_is_ever_opened(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        read_weights(path)


@pytest.mark.parametrize("keep", [0, 5, 60, 400])
def test_truncated_files_are_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "weights.safetensors"
    write_weights(path, {"a": torch.zeros(500)}, {"model": "m"})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        read_weights(path)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"none\.safetensors does not exist"):
        read_weights(tmp_path / "none.safetensors")


def test_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="not written by medbench"):
        read_weights(path)


def test_differences_are_listed_shortly(tmp_path: Path) -> None:
    wanted = {name: torch.zeros(2) for name in "abcdefg"}
    found = {"a": torch.zeros(2), "b": torch.zeros(3), "z": torch.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        require_same(tmp_path / "w", wanted, found)
    message = str(caught.value)
    assert "c, d, e and 2 more missing" in message
    assert "z unexpected" in message
    assert "b of another shape" in message
    assert "\n" not in message
    require_same(tmp_path / "w", wanted, wanted)
