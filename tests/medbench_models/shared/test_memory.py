import math

import pytest
import torch

from medbench.budget.prediction import CONTEXT_BYTES, Prediction
from medbench.errors import BudgetExceededError
from medbench_models.shared import memory
from medbench_models.shared.memory import beside, bytes_of, memory_for_activations, require_memory


def test_a_cpu_has_no_limit() -> None:
    assert memory_for_activations("cpu") == math.inf
    require_memory(lambda limit: pytest.fail("nothing is predicted"), what="it", device="cpu")


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda device: 2**31)
    require_memory(lambda limit: Prediction(0, ()), what="it", device="cuda")
    with pytest.raises(BudgetExceededError, match="training it needs about"):
        require_memory(lambda limit: Prediction(int(limit), ()), what="training it", device="cuda")


def test_what_is_left_keeps_the_margin_of_a_prediction() -> None:
    layer = torch.nn.BatchNorm1d(5)  # four float32 of each channel and one int64
    assert bytes_of(layer) == 4 * 4 * 5 + 8
    left = beside(bytes_of(layer), limit_bytes=2**31)
    assert Prediction(math.floor(left) + bytes_of(layer), ()).peak_bytes == pytest.approx(2**31, abs=2)
    assert left < 2**31 - CONTEXT_BYTES
