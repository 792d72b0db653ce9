"""LPIPS takes its own network's weights only."""

import pytest
import torch

from medbench.errors import CheckpointError
from medbench.features.lpips import load_lpips


def test_lpips_of_another_network_is_refused(monkeypatch, tmp_path):
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    monkeypatch.setenv("MEDBENCH_WEIGHTS_LPIPS_ALEXNET", str(tmp_path / "other.pth"))
    with pytest.raises(CheckpointError, match=r"does not fit lpips-alexnet: .* missing"):
        load_lpips()
