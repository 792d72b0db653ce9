"""The adapter gives the public code's outputs; its gate and scales have next to no effect."""

import pytest
import torch

from medbench_models.voldit.adapter import Steered, TokenAdapter
from medbench_models.voldit.config import AdapterConfig, DitConfig
from medbench_models.voldit.dit import Dit

TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
NAMES = ["p2_all", "p2_last1_ch2", "p4_all"]


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("step", [0, 137, 299])
def test_steered_velocities_are_the_public_codes(golden, name: str, step: int) -> None:
    wanted, steered = golden.arrays("tgca_io", name), golden.steered(name)
    found = steered(wanted["x"], torch.tensor([step]), wanted["cond"].float())
    torch.testing.assert_close(found, wanted[f"out_t{step}"], **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_embedding_and_gate_are_the_public_codes(golden, name: str) -> None:
    wanted, steered = golden.arrays("tgca_io", name), golden.steered(name)
    torch.testing.assert_close(
        steered.adapter.embedding(wanted["cond"].float()), wanted["embedded"], atol=1e-4, rtol=0.0
    )
    gate = torch.sigmoid(steered.adapter.gate(steered.dit.embed(torch.tensor([137]))))
    torch.testing.assert_close(gate, wanted["gate_t137"], **TOLERANCE)
    empty = steered(wanted["x"], torch.tensor([137]), torch.zeros(wanted["cond"].shape))
    torch.testing.assert_close(empty, wanted["out_t137_no_mask"], **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("name", NAMES)
def test_scales_and_gate_have_no_effect(golden, name: str) -> None:
    """The layer norm divides them out: neither is a knob for how strongly masks steer."""
    wanted, steered = golden.arrays("tgca_io", name), golden.steered(name)
    given = wanted["x"], torch.tensor([137]), wanted["cond"].float()
    before = steered(*given)
    for scale in steered.adapter.scales:
        scale.mul_(10.0)
    steered.adapter.gate.bias.add_(3.0)
    torch.testing.assert_close(steered(*given), before, atol=1e-4, rtol=0.0)
    assert (steered.dit(*given[:2]) - before).abs().max() > 0.1  # the masks themselves have one


def small(tuned: int = 0) -> Steered:
    config = DitConfig(patch=2, width=48, depth=3, heads=3)
    dit = Dit(config, (4, 4, 2), 8)
    for value in dit.parameters():
        torch.nn.init.normal_(value, std=0.1)
    return Steered(TokenAdapter(AdapterConfig(masks=(("a", "b"),), channels=(4, 8, 8), blocks=2), config), dit, tuned)


@torch.no_grad()
def test_an_untrained_adapter_changes_nothing() -> None:
    steered = small()
    latent, steps = torch.randn(2, 8, 8, 8, 4), torch.tensor([5, 200])
    masks = torch.randint(3, (2, 1, 16, 16, 8)).float()
    torch.testing.assert_close(steered(latent, steps, masks), steered.dit(latent, steps), **TOLERANCE)


def test_only_the_adapter_learns_and_only_the_last_blocks_hear_it() -> None:
    steered = small()
    assert all(name.startswith("adapter.") for name, _ in steered.named_parameters())
    assert not any(value.requires_grad for value in steered.dit.parameters())
    controls = steered.adapter.controls(torch.randn(1, 32, 48), torch.randn(1, 48))
    assert [control is not None for control in controls] == [False, True, True]
    steered(torch.randn(1, 8, 8, 8, 4), torch.tensor([7]), torch.ones(1, 1, 16, 16, 8)).square().sum().backward()
    assert steered.adapter.embedding.conv_out.weight.grad.any()


def test_tuned_blocks_learn_along_and_are_stored_as_the_transformers() -> None:
    """The state that is kept, not the last one of the training, is what the transformer gets."""
    steered = small(tuned=1)
    learnt = {name.partition(".")[0] for name, _ in steered.named_parameters()}
    assert learnt == {"adapter", "tuned"}
    assert [all(value.requires_grad for value in block.parameters()) for block in steered.dit.blocks] == [
        False, False, True
    ]  # fmt: skip
    kept = {name: value + 1.0 for name, value in steered.state_dict().items()}
    states = steered.states(kept)
    assert states["adapter"].keys() == steered.adapter.state_dict().keys()
    for name, value in steered.dit.state_dict().items():
        assert torch.equal(states["dit"][name], value + 1.0 if name.startswith("blocks.2.") else value)


def test_masks_come_through_an_embedding_that_is_not_trained() -> None:
    """Else the first hundred steps would learn nothing of them."""
    embedding = small().adapter.embedding
    masks = torch.zeros(1, 1, 32, 16, 16)
    masks[:, :, :16] = 2.0
    features = []
    embedding.conv_out.register_forward_hook(lambda layer, inputs, output: features.append(inputs[0]))
    embedding(masks)
    assert (features[0][..., 1, :, :] - features[0][..., -2, :, :]).abs().mean() > 0.1
