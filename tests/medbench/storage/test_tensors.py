import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from medbench.errors import CheckpointError
from medbench.storage.tensors import fill, read_saved, read_tensors, read_weights, require_same, write_weights


def test_round_trip_in_half_precision(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    weights = {"a": torch.randn(3, 4), "b": torch.zeros(())}
    write_weights(path, weights, {"model": "m", "steps": 3})
    found, description = read_weights(path, model="m")
    assert description == {"model": "m", "steps": 3}
    assert all(value.dtype == torch.float32 for value in found.values())
    assert all(torch.equal(found[name], weights[name].half().float()) for name in weights)
    with pytest.raises(CheckpointError, match="belongs to the model 'm', not to n"):
        read_weights(path, model="n")


def test_no_pickle_is_ever_opened_as_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    torch.save({"a": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="not a readable safetensors"):
        read_weights(path)


@pytest.mark.parametrize("keep", [0, 5, 60, 400])
def test_truncated_files_are_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "weights.safetensors"
    write_weights(path, {"a": torch.zeros(500)}, {"model": "m"})
    path.write_bytes(path.read_bytes()[:keep])
    for read in (read_weights, read_tensors):
        with pytest.raises(CheckpointError, match=r"weights\.safetensors is not a readable safetensors"):
            read(path)


@pytest.mark.parametrize("content", [b"", b"\x80\x02this is no checkpoint" * 20, b"PK\x03\x04 cut short", b"<html>"])
def test_damaged_pickles_are_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"net\.pth .* get it again"):
        read_tensors(tmp_path / "net.pth")


@pytest.mark.parametrize("read", [read_weights, read_saved])
def test_an_absent_file_is_named(tmp_path: Path, read) -> None:
    with pytest.raises(CheckpointError, match="none does not exist"):
        read(tmp_path / "none")


def test_foreign_safetensors_have_tensors_and_no_description(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    save_file({"a": torch.ones(1)}, path)
    assert read_tensors(path)["a"].tolist() == [1]
    with pytest.raises(CheckpointError, match="not written by medbench"):
        read_weights(path)


def test_a_whole_training_checkpoint_is_read_under_its_entry(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "state_dict": {"weight": torch.ones(2)}}, tmp_path / "net.pth")
    assert read_tensors(tmp_path / "net.pth", under="state_dict")["weight"].tolist() == [1, 1]
    with pytest.raises(CheckpointError, match="has no entry 'model'"):
        read_tensors(tmp_path / "net.pth", under="model")
    with pytest.raises(CheckpointError, match="no bare state dict"):
        read_tensors(tmp_path / "net.pth")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self):
            return (print, ("ran",))

    torch.save({"weight": Harmful()}, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=r"net\.pth .*may be code"):
        read_tensors(tmp_path / "net.pth")


def test_differences_are_listed_shortly(tmp_path: Path) -> None:
    wanted = {name: torch.zeros(2) for name in "abcdefg"}
    found = {"a": torch.zeros(2), "b": torch.zeros(3), "z": torch.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        require_same(wanted, found, path=tmp_path / "w", name="my-net")
    message = str(caught.value)
    assert "w does not fit my-net: tensors 5 missing (c, d, e, ..); " in message
    assert "1 unexpected (z)" in message
    assert "1 of another shape (b)" in message
    assert "\n" not in message
    require_same(wanted, wanted, path=tmp_path / "w")


def test_a_network_is_filled_whole_but_for_what_it_keeps(tmp_path: Path) -> None:
    network = torch.nn.BatchNorm1d(2)
    state = {key: torch.full_like(value, 7) for key, value in network.state_dict().items()}
    del state["num_batches_tracked"]
    with pytest.raises(CheckpointError, match=r"1 missing \(num_batches_tracked\)"):
        fill(network, state, path=tmp_path / "w")
    assert network.weight.tolist() == [1, 1]
    fill(network, state, path=tmp_path / "w", keep=["num_batches_tracked"])
    assert network.running_var.tolist() == [7, 7]
    assert network.num_batches_tracked == 0


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (float("nan"), r"1 with NaN or infinity \(b\)"),
        (float("-inf"), r"1 with NaN or infinity \(b\)"),
        (-3e7, r"1 with numbers beyond 1e\+07 \(b\)"),
    ],
)
def test_numbers_that_cannot_be_weights_are_refused(number: float, words: str) -> None:
    found = {"a": torch.ones(2), "b": torch.tensor([0.0, number]), "count": torch.tensor(10**9), "none": torch.empty(0)}
    with pytest.raises(CheckpointError, match=rf"f\.pth holds numbers that cannot be weights, in tensors {words}"):
        require_same(found, found, path=Path("f.pth"))


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_pickle_with_code_is_refused_without_a_warning_beside_the_line(tmp_path, protocol):
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(print, protocol=protocol))
    with pytest.raises(CheckpointError, match="it may be code"):
        read_saved(tmp_path / "evil.pt")
