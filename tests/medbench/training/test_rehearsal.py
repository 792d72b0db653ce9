"""A rehearsed optimiser takes the memory of the real one."""

import pytest
import torch

from medbench.budget.prediction import predict_peak
from medbench.training.rehearsal import AdamWMemory, Rehearsal


def test_adamw_counts_like_adamw() -> None:
    """Weights, gradients and both averages: four times the weights; a fifth copy while it steps."""

    def call() -> None:
        layer = torch.nn.Linear(1000, 1000, bias=False)
        rehearsal = Rehearsal("32-true")
        forward, optimiser = rehearsal.setup(layer, torch.optim.AdamW(layer.parameters()))
        assert isinstance(optimiser, AdamWMemory)
        rehearsal.backward(forward(torch.empty(1, 1000)).sum())
        optimiser.step()
        optimiser.zero_grad()

    assert predict_peak(call).tensor_bytes == pytest.approx(5 * 4_000_000, rel=0.01)
