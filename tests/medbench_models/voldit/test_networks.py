"""The published sizes, and what a network is for."""

import json
from pathlib import Path

import pytest
import torch

from medbench_models.voldit.config import VolDiTConfig
from medbench_models.voldit.networks import build_adapter, build_denoiser, build_dit, checkpoint_blocks
from medbench_models.voldit.presets import PRESETS

DATA = Path(__file__).parents[2] / "data" / "voldit"
LISTED = json.loads((DATA / "statedicts.json").read_text(encoding="utf-8"))
FULL = (512, 512, 256)


@pytest.mark.parametrize("size", ["xs2", "xs4", "s2", "s4", "b2", "b4", "l2", "l4"])
def test_the_sizes_are_the_published_ones(size: str) -> None:
    """Parameters as the public code counts them; positions are none here, and keys are two fewer and more for qkv."""
    network, wanted = PRESETS[size].network, LISTED["sizes"][size]
    with torch.device("meta"):
        dit, adapter = build_dit(network, FULL), build_adapter(network)
    assert len(dit.positions) == wanted["tokens"]
    assert sum(value.numel() for value in dit.parameters()) == wanted["trainable"]
    assert sum(value.numel() for value in adapter.parameters()) == wanted["adapter"]
    assert len(dit.state_dict()) == wanted["keys"] - 2 + 4 * network.dit.depth  # queries, keys and values apart
    assert len(adapter.state_dict()) == wanted["adapter_keys"]


def test_checkpointed_blocks_have_the_same_outputs_and_gradients(small_voldit: VolDiTConfig) -> None:
    """Their dropout, too: it is drawn again as it was."""
    torch.manual_seed(0)
    plain = build_denoiser(small_voldit.network, (16, 16, 16), steered=False)
    for value in plain.parameters():
        torch.nn.init.normal_(value, std=0.2)
    frugal = build_denoiser(small_voldit.network, (16, 16, 16), steered=False)
    frugal.load_state_dict(plain.state_dict())
    checkpoint_blocks(frugal)
    latent, steps = torch.randn(2, 8, 4, 4, 4), torch.tensor([3, 40])
    for network in (plain, frugal):
        torch.manual_seed(1)
        network(latent, steps).square().sum().backward()
    for (name, a), b in zip(plain.named_parameters(), frugal.parameters()):
        torch.testing.assert_close(b.grad, a.grad, msg=name)
