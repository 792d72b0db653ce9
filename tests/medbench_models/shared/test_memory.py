import math

import torch

from medbench_models.shared.memory import bytes_of, memory_limit


def test_a_cpu_has_no_limit() -> None:
    assert memory_limit("cpu") == math.inf


def test_bytes_are_those_of_parameters_and_buffers() -> None:
    assert bytes_of(torch.nn.BatchNorm1d(5)) == 4 * 4 * 5 + 8  # four float32 of each channel and one int64
