"""The transformer gives the public code's outputs; its attention mixes tokens, not the heads of one."""

import pytest
import torch

from medbench_models.shared.attention import attend_by, use_attention
from medbench_models.voldit.config import DitConfig
from medbench_models.voldit.dit import Dit, positions

TOLERANCE = {"atol": 1e-5, "rtol": 0.0}
PATCHES = [2, 4]


def test_the_weights_are_those_of_the_golden_files(golden) -> None:
    for patch in PATCHES:
        listed, found = golden.manifest[f"dit_p{patch}"]["state_dict"], golden.public_dit(patch)
        assert found.keys() == listed.keys()
        for name, facts in listed.items():
            if "abs_sum" in facts:
                assert found[name].double().abs().sum().item() == pytest.approx(facts["abs_sum"], rel=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("patch", PATCHES)
@pytest.mark.parametrize("step", [0, 137, 299])
def test_velocities_are_the_public_codes(golden, patch: int, step: int) -> None:
    wanted = golden.arrays("dit_io", f"p{patch}")
    found = golden.dit(patch)(wanted["x"], torch.tensor([step]))
    torch.testing.assert_close(found, wanted[f"out_t{step}"], **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("patch", PATCHES)
def test_every_part_is_the_public_codes(golden, patch: int) -> None:
    wanted, dit = golden.arrays("dit_io", f"p{patch}"), golden.dit(patch)
    torch.testing.assert_close(dit.positions[None], wanted["pos_embed"], atol=1e-6, rtol=0.0)
    time = dit.embed(torch.tensor([0, 137, 299]))
    torch.testing.assert_close(time, wanted["t_embed"], **TOLERANCE)
    tokens = dit.patches(wanted["x"]).flatten(2).transpose(1, 2) + dit.positions
    torch.testing.assert_close(tokens, wanted["tokens"], **TOLERANCE)
    torch.testing.assert_close(dit.blocks[0](tokens, time[1:2]), wanted["block0"], **TOLERANCE)


@torch.no_grad()
@pytest.mark.parametrize("backend", ["sdpa", "plain", "tokens first"])
@pytest.mark.parametrize("patch", PATCHES)
def test_attention_is_among_tokens_whatever_computes_it(golden, patch: int, backend: str) -> None:
    """The public code without xformers attends among the heads of each token: no error, and other samples."""
    wanted, dit = golden.arrays("dit_io", f"p{patch}"), golden.dit(patch)
    if backend == "tokens first":  # xformers' layout
        for block in dit.blocks:
            attend_by(block.attention, _tokens_first)
    else:
        use_attention(dit, backend)
    found = dit(wanted["x"], torch.tensor([137]))
    torch.testing.assert_close(found, wanted["out_t137"], **TOLERANCE)
    assert (found - wanted["not_this_out_t137_heads_as_tokens"]).abs().max() > 0.1


def _tokens_first(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    scores = torch.einsum("nqhd,nkhd->nhqk", query, key) * scale
    return torch.einsum("nhqk,nkhd->nqhd", scores.softmax(dim=-1), value)


@torch.no_grad()
def test_each_token_hears_of_the_others(golden) -> None:
    wanted, dit = golden.arrays("dit_io", "p2"), golden.dit(2)
    other = wanted["x"].clone()
    other[..., :2] += 1.0
    change = (dit(other, torch.tensor([137])) - dit(wanted["x"], torch.tensor([137]))).abs()
    assert change[..., 2:].max() > 1e-3


def test_an_untrained_transformer_predicts_nothing() -> None:
    dit = Dit(DitConfig(patch=2, width=48, depth=2, heads=3), (2, 2, 1), 8)
    assert not dit(torch.randn(2, 8, 4, 4, 2), torch.tensor([3, 200])).any()


def test_positions_are_apart_along_every_axis() -> None:
    found = positions((2, 3, 4), 50)
    assert found.shape == (24, 50)
    assert len(found.unique(dim=0)) == 24
    torch.testing.assert_close(found[1] - found[0], found[5] - found[4])  # the last axis is the fastest
