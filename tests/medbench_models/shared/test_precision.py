import torch

from medbench_models.shared.precision import decoding_autocast, sampling_dtype


def test_a_gpu_samples_in_float16_and_a_cpu_in_float32() -> None:
    assert sampling_dtype("cuda:1") == torch.float16
    assert sampling_dtype("cpu") == torch.float32
    with decoding_autocast("cpu"):
        assert not torch.is_autocast_enabled("cpu")
