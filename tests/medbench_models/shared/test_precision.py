import torch

from medbench_models.shared.precision import applied, decoding_autocast, sampling_dtype


def test_a_gpu_samples_in_float16_and_a_cpu_in_float32() -> None:
    assert sampling_dtype("cuda:1") == torch.float16
    assert sampling_dtype("cpu") == torch.float32
    with decoding_autocast("cpu"):
        assert not torch.is_autocast_enabled("cpu")


def test_gradients_over_two_slices_are_right_in_mixed_precision() -> None:
    """A convolution by itself has gradients of the wrong size there, on processors with bfloat16."""
    torch.manual_seed(0)
    layer, features = torch.nn.Conv3d(32, 32, 3, padding=1), torch.randn(4, 32, 2, 4, 4)
    applied(layer, features).square().sum().backward()
    wanted, layer.weight.grad = layer.weight.grad, None
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = applied(layer, features)
    found.square().sum().backward()
    torch.testing.assert_close(layer.weight.grad, wanted)
