import math

import pytest
import torch

from medbench.budget.prediction import Prediction
from medbench.errors import BudgetExceededError
from medbench_models.shared import memory
from medbench_models.shared.memory import Predict, bytes_of, memory_limit, require_memory


def predicts(tensors: int) -> Predict:
    return lambda stage, shape, *, limit_bytes: Prediction(tensors, ())


def test_a_cpu_has_no_limit() -> None:
    assert memory_limit("cpu") == math.inf
    require_memory(lambda *asked, **limit: pytest.fail("nothing is predicted"), "fit", (8, 8, 8), device="cpu")


def test_what_does_not_fit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "memory_limit", lambda device: 2**31)
    require_memory(predicts(0), "sample", (8, 8, 4), device="cuda")
    with pytest.raises(BudgetExceededError, match="training on 8x8x4 voxels needs about"):
        require_memory(predicts(2**31), "fit", (8, 8, 4), device="cuda")


def test_bytes_are_those_of_parameters_and_buffers() -> None:
    assert bytes_of(torch.nn.BatchNorm1d(5)) == 4 * 4 * 5 + 8  # four float32 of each channel and one int64
