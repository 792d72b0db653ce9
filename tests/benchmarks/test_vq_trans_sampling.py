"""Seconds of sampling with and without the cache, for the same tokens; the aim is ten times as fast at 1,024.

pytest -m benchmark -s tests/benchmarks/test_vq_trans_sampling.py
"""

import time

import pytest
import torch

from medbench_models.vq_trans.config import SamplingConfig
from medbench_models.vq_trans.sampling import draw, sample_tokens
from medbench_models.vq_trans.transformer import Transformer

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(3600)]

CODES, LENGTH = 512, 1024
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
SIZES = {"tiny": (128, 3, 4), "half of paper": (256, 11, 8)}


@torch.inference_mode()
def uncached(transformer: Transformer, config: SamplingConfig, chance: torch.Generator) -> torch.Tensor:
    """Run the whole prefix for each token, as MONAI's inferer does."""
    tokens = torch.full((1, 1), CODES, device=transformer.to_logits.weight.device)
    for _ in range(LENGTH):
        token = draw(transformer(tokens)[:, -1], CODES, config, chance)
        tokens = torch.cat([tokens, token[:, None]], dim=1)
    return tokens[:, 1:]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("size", SIZES)
@torch.inference_mode()
def test_the_cache_saves_time_and_changes_no_token(size: str, device: str) -> None:
    torch.manual_seed(0)
    dim, depth, heads = SIZES[size]
    transformer = Transformer(CODES + 1, LENGTH, dim=dim, depth=depth, heads=heads).eval().to(device)
    seconds, found = [], []
    for sample in (uncached, lambda network, *rest: sample_tokens(network, CODES, *rest)):
        started = time.monotonic()
        found.append(sample(transformer, SamplingConfig(), torch.Generator().manual_seed(5)).cpu())
        seconds.append(time.monotonic() - started)
    print(
        f"\n{size} on {device}, {torch.get_num_threads()} threads: {LENGTH} tokens in {seconds[0]:.1f} s without and"
        f" {seconds[1]:.1f} s with the cache, {seconds[0] / seconds[1]:.0f} times as fast"
    )
    assert torch.equal(*found)
