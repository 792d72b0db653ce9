"""The U-Net is the published one: same names, same shapes, same outputs."""

import copy

import numpy as np
import pytest
import torch

from medbench_models.med_lsdm.config import UnetConfig
from medbench_models.med_lsdm.unet import Unet, checkpoint_layers
from medbench_models.shared.samplers import posterior
from medbench_models.shared.schedules import Discrete, add_noise, cosine_alphas

SMALL = UnetConfig(width=16, multipliers=(1, 2, 4), heads=2, head_channels=16, spade_channels=8)
CASES = {"unet_segconv": SMALL, "unet_direct": SMALL.model_copy(update={"spade_channels": None})}


def close(found: torch.Tensor, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found.detach().numpy(), wanted, atol=1e-4 * np.abs(wanted).max(), rtol=0)


def filled(golden, case: str) -> Unet:
    unet = Unet(CASES[case], 8, 3).eval()
    golden.fill(unet, f"med_lsdm/{case}")
    return unet


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return request.param


def test_names_shapes_and_weights_are_the_published_ones(golden, case: str) -> None:
    state, stored = filled(golden, case).state_dict(), golden.states[case]
    assert {key: list(value.shape) for key, value in state.items()} == {k: shape for k, (shape, _, _) in stored.items()}
    for key, (_, total, magnitude) in stored.items():
        assert float(state[key].double().sum()) == pytest.approx(total, rel=1e-5, abs=1e-4)
        assert float(state[key].double().abs().sum()) == pytest.approx(magnitude, rel=1e-5)


def test_the_published_size_has_the_published_parameters(golden) -> None:
    with torch.device("meta"):
        unet = Unet(UnetConfig(), 8, 37)
    assert {key: list(value.shape) for key, value in unet.state_dict().items()} == golden.states["full_unet_dim64"]
    assert sum(value.numel() for value in unet.parameters()) == 37_928_776


@torch.no_grad()
def test_outputs_are_the_published_ones(golden, case: str, one_hot_map) -> None:
    unet = filled(golden, case)
    stored = {key.removeprefix(f"{case}/"): value for key, value in golden.unet.items()}
    latent, times = torch.from_numpy(stored["x"]), torch.from_numpy(stored["t"])
    label_map = one_hot_map(stored["label"], 3)
    close(unet.time_mlp(times), stored["time_mlp"])
    close(unet.time_rel_pos_bias(4), stored["rel_pos_bias"])
    encoded = unet.encoded(label_map)
    if case == "unet_segconv":
        assert list(encoded.shape) == stored["segconv_shape"].tolist()
        close(encoded[:, :, ::2, ::4, ::4], stored["segconv_strided"])
    features = golden.normal(f"med_lsdm/{case}:input:spade_x", 2, 64, 4, 4, 4)
    close(unet.mid_block1.spade_norm1(features, encoded), stored["spade_norm_out"])
    close(unet(latent, times, label_map), stored["out"])
    close(unet(latent, times, torch.zeros_like(label_map)), stored["out_zero_cond"])


def test_checkpointed_layers_have_the_same_gradients() -> None:
    torch.manual_seed(0)
    plain = Unet(UnetConfig(width=8, multipliers=(1, 2), heads=1, spade_channels=8, spade_hidden=8), 4, 3)
    frugal = copy.deepcopy(plain)
    checkpoint_layers(frugal)
    inputs = torch.randn(1, 4, 2, 4, 4), torch.tensor([3]), torch.rand(1, 3, 8, 16, 16)
    for network in (plain, frugal):
        network(*inputs).square().sum().backward()
    for (name, a), b in zip(plain.named_parameters(), frugal.parameters()):
        torch.testing.assert_close(b.grad, a.grad, msg=name)


def test_no_weight_depends_on_the_depth() -> None:
    unet = Unet(UnetConfig(width=8, multipliers=(1, 2), heads=1, spade_channels=8, spade_hidden=8), 4, 3)
    for depth in (1, 2, 40):
        found = unet(torch.zeros(1, 4, depth, 4, 4), torch.tensor([3]), torch.zeros(1, 3, 4 * depth, 16, 16))
        assert found.shape == (1, 4, depth, 4, 4)


def test_the_schedule_is_the_published_one(golden) -> None:
    levels = cosine_alphas(500)
    np.testing.assert_allclose(levels, golden.unet["sched/alphas_cumprod"], rtol=1e-5, atol=1e-9)
    noise, clean = torch.zeros(2, 1), torch.ones(2, 1)
    schedule = Discrete(levels, "noise")
    for time in (10, 480):
        of_clean = posterior(schedule, 0 * clean, clean, (time, time - 1), noise)
        of_noisy = posterior(schedule, clean, 0 * clean, (time, time - 1), noise)
        np.testing.assert_allclose(of_clean[0], golden.unet["sched/posterior_mean_coef1"][time], rtol=1e-5)
        np.testing.assert_allclose(of_noisy[0], golden.unet["sched/posterior_mean_coef2"][time], rtol=1e-5)


@torch.no_grad()
def test_noising_and_loss_are_the_published_ones(golden, one_hot_map) -> None:
    clean = golden.uniform("med_lsdm/diff:input:x0", 2, 8, 4, 16, 16)
    noise = golden.normal("med_lsdm/diff:input:noise", 2, 8, 4, 16, 16)
    times, unet = torch.tensor([10, 480]), filled(golden, "unet_segconv")
    noisy = add_noise(Discrete(cosine_alphas(500), "noise"), clean, noise, times)
    close(noisy, golden.unet["diff/x_t"])
    predicted = unet(noisy, times, one_hot_map(golden.unet["diff/label"], 3))
    close((predicted - noise).abs().mean(), golden.unet["diff/loss_l1"])
