"""Predicted memory against what PyTorch's profiler measures, and against hand-counted tensors."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

from medbench.budget.prediction import CONTEXT_BYTES, predict_peak


def network() -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 128), nn.LayerNorm(128), nn.GELU(), nn.Linear(128, 512), nn.ReLU(), nn.Linear(512, 8)
    )


def forward() -> None:
    with torch.no_grad():
        network()(torch.empty(4096, 64).normal_())


def training() -> None:
    network()(torch.empty(4096, 64).normal_()).square().mean().backward()


def measured(call) -> int:
    call()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


@pytest.mark.filterwarnings("ignore")  # the profiler looks for a GPU
@pytest.mark.parametrize("call", [forward, training])
def test_the_prediction_is_what_the_profiler_measures(call) -> None:
    real, found = measured(call), predict_peak(call).tensor_bytes
    assert real > 2**23
    assert found == pytest.approx(real, rel=0.1)


def test_convolutions_agree_with_pytorchs_own_tracker() -> None:
    """Its tracker is another implementation over the same fake tensors; a CPU's profiler counts workspaces too."""
    tracker = pytest.importorskip("torch.distributed._tools.mem_tracker").MemTracker()

    def call() -> None:
        layers = nn.Sequential(nn.Conv3d(4, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.SiLU(), nn.Conv3d(16, 4, 3))
        layers(torch.empty(1, 4, 16, 16, 16).normal_()).square().mean().backward()

    with FakeTensorMode(), tracker:
        call()
    [snapshot] = tracker.get_tracker_snapshot("peak").values()
    assert predict_peak(call).tensor_bytes == pytest.approx(snapshot["Total"], rel=0.1)


def test_a_chain_of_three_tensors_holds_two_at_a_time() -> None:
    def call() -> None:
        first = torch.empty(1000, dtype=torch.float32)
        second = first + 1.0
        del first
        third = second * 2.0
        del second, third

    found = predict_peak(call)
    assert found.tensor_bytes == 8000
    assert [(one.bytes, one.shape, one.dtype) for one in found.largest_tensors] == [(4000, (1000,), "float32")] * 2
    assert found.peak_bytes == 9200 + CONTEXT_BYTES


def test_views_and_what_is_computed_in_place_take_nothing() -> None:
    def call() -> None:
        values = torch.empty(1000)
        values.view(10, 100).relu_()[:5].add_(1.0)

    assert predict_peak(call).tensor_bytes == 4000


def test_nothing_is_allocated() -> None:
    huge = 2**44
    assert predict_peak(lambda: torch.empty(huge, dtype=torch.uint8)).tensor_bytes == huge


def test_the_largest_tensors_name_their_layers() -> None:
    layers = [one.layer for one in predict_peak(forward).largest_tensors]
    assert layers[0] == "Sequential.3" or layers[0] == "Sequential.4"
    assert "Sequential.3.weight" in layers


def test_mixed_precision_is_cudas() -> None:
    """A linear layer computes in half precision, a norm in full."""
    found = []

    def call() -> None:
        with torch.autocast("cpu", dtype=torch.float16):
            half = functional.linear(torch.empty(8, 8), torch.empty(8, 8))
            found.extend([half.dtype, functional.layer_norm(half, (8,)).dtype])

    predict_peak(call)
    assert found == [torch.float16, torch.float32]


def test_checkpointed_layers_are_computed_again_under_the_same_rules() -> None:
    layers = 4

    def call(*, kept: bool) -> None:
        blocks = [
            nn.Sequential(nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU(), nn.Linear(64, 64)) for _ in range(layers)
        ]
        hidden = torch.empty(4096, 64)
        with torch.autocast("cpu", dtype=torch.float16):
            for block in blocks:
                hidden = block(hidden) if kept else checkpoint(block, hidden, use_reentrant=False)
        hidden.float().sum().backward()

    whole, again = (predict_peak(lambda kept=kept: call(kept=kept)).tensor_bytes for kept in (True, False))
    assert again < 0.6 * whole


def test_attention_holds_no_matrix_of_tokens() -> None:
    def call() -> None:
        tokens = torch.empty(1, 8, 16384, 32, dtype=torch.float16)
        functional.scaled_dot_product_attention(tokens, tokens, tokens)

    assert predict_peak(call).tensor_bytes < 2**26


def test_functions_are_as_before_afterwards() -> None:
    before = functional.group_norm, functional.scaled_dot_product_attention
    with pytest.raises(ZeroDivisionError):
        predict_peak(lambda: 1 // 0)
    assert (functional.group_norm, functional.scaled_dot_product_attention) == before
    assert type(torch.empty(1)) is torch.Tensor
