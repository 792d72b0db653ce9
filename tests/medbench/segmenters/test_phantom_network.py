"""Weights of another network."""

import pytest
import torch

from medbench.errors import CheckpointError
from medbench.segmenters import phantom
from medbench.segmenters.phantom import load_network
from medbench.storage.tensors import read_weights, write_weights


def test_other_weights_are_refused(tmp_path) -> None:
    weights, description = read_weights(phantom.SHIPPED)
    path = tmp_path / "other.safetensors"
    write_weights(path, weights, description | {"model": "medlord"})
    with pytest.raises(CheckpointError, match="belongs to the model 'medlord'"):
        load_network(path, "cpu")
    write_weights(path, {"a": torch.zeros(1)}, description)
    with pytest.raises(CheckpointError, match=r"1 unexpected \(a\)"):
        load_network(path, "cpu")
