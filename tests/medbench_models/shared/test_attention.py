import copy

import pytest
import torch
from monai.networks.blocks.crossattention import CrossAttentionBlock
from monai.networks.blocks.selfattention import SABlock
from torch import nn
from torch.nn import functional

from medbench.training.attention import best_backend
from medbench_models.medlord.config import ControlNetConfig, UnetConfig
from medbench_models.medlord.controlnet import ControlNet
from medbench_models.medlord.networks import build_unet
from medbench_models.shared.attention import attend_by, use_attention

UNET = UnetConfig(channels=(16, 32), res_blocks=1, attention=(False, True), head_channels=16, norm_groups=8)
CONTROLNET = ControlNetConfig(
    regions=("a", "b"),
    ratio=0.5,
    embedding_channels=(4, 6),
    embedding_stride=2,
    transformers=True,
    head_channels=(0, 8),
    norm_groups=4,
)
TOLERANCE = {"atol": 1e-5, "rtol": 0.0}


def randomised(network: nn.Module) -> nn.Module:
    """Give layers that start at zero something to say."""
    chance = torch.Generator().manual_seed(1)
    for value in network.parameters():
        value.data = 0.2 * torch.randn(value.shape, generator=chance)
    return network.eval()


@torch.no_grad()
def outputs(network: nn.Module) -> list[torch.Tensor]:
    chance = torch.Generator().manual_seed(2)
    latent, steps = torch.randn(1, 8, 8, 4, 4, generator=chance), torch.tensor([7])
    if isinstance(network, ControlNet):
        masks = (torch.rand(1, 2, 32, 16, 16, generator=chance) > 0.5).float()
        residuals, middle = network(latent, steps, masks)
        return [*residuals, middle]
    return [network(latent, steps)]


@pytest.fixture(params=["unet", "controlnet"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    return randomised(build_unet(UNET, 8) if request.param == "unet" else ControlNet(CONTROLNET, UNET, 8))


def tokens_first(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    """An independent computation in xformers' layout (n, tokens, heads, dim)."""
    scores = torch.einsum("nqhd,nkhd->nhqk", query, key) * scale
    return torch.einsum("nhqk,nkhd->nqhd", scores.softmax(dim=-1), value)


def blocks(network: nn.Module) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, SABlock | CrossAttentionBlock)]


def test_fused_and_plain_attention_agree(network: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    use_attention(network, "sdpa")
    fused = outputs(network)
    use_attention(network, "plain")
    monkeypatch.setattr(functional, "scaled_dot_product_attention", None)
    for one, other in zip(fused, outputs(network), strict=True):
        assert other.abs().max() > 0.1
        torch.testing.assert_close(one, other, **TOLERANCE)


def test_a_function_in_xformers_layout_agrees_and_leaves_again(network: nn.Module) -> None:
    wanted, names = outputs(network), list(network.state_dict())
    for block in blocks(network):
        attend_by(block, tokens_first)
    for one, other in zip(wanted, outputs(copy.deepcopy(network)), strict=True):
        torch.testing.assert_close(one, other, **TOLERANCE)
    assert list(network.state_dict()) == names
    use_attention(network, "sdpa")
    assert all("forward" not in vars(block) for block in blocks(network))
    assert all(torch.equal(one, other) for one, other in zip(wanted, outputs(network), strict=True))


def test_the_networks_depend_on_their_attention(network: nn.Module) -> None:
    wanted = outputs(network)
    for block in blocks(network):
        attend_by(block, lambda query, key, value, scale: 0.0 * value)
    assert any((one - other).abs().max() > 1e-3 for one, other in zip(wanted, outputs(network), strict=True))


def test_a_copy_computes_with_its_own_weights(network: nn.Module) -> None:
    for block in blocks(network):
        attend_by(block, tokens_first)
    copied = copy.deepcopy(network)
    before = outputs(copied)
    for value in network.parameters():
        value.data.zero_()
    assert all(torch.equal(one, other) for one, other in zip(before, outputs(copied), strict=True))


def test_masked_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="without mask"):
        attend_by(SABlock(8, 2, causal=True, sequence_length=4), tokens_first)


@pytest.mark.gpu
def test_all_backends_agree_on_a_gpu(network: nn.Module) -> None:
    if best_backend("cuda") != "xformers":
        pytest.skip("xformers has no kernels here")
    network.cuda()
    found = []
    for backend in ("plain", "sdpa", "xformers"):
        use_attention(network, backend)
        with torch.device("cuda"), torch.autocast("cuda", dtype=torch.float16), torch.no_grad():
            latent, masks = torch.ones(1, 8, 8, 4, 4), torch.ones(1, 2, 32, 16, 16)
            more = (masks,) if isinstance(network, ControlNet) else ()
            result = network(latent, torch.tensor([7]), *more)
        found.append((result[1] if isinstance(result, tuple) else result).float())
    for other in found[1:]:
        torch.testing.assert_close(other, found[0], atol=2e-2, rtol=2e-2)
